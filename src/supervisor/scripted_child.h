// Tests only: a child process that speaks the control protocol and misbehaves as its configuration
// tells it. The test program executes itself for it: argv = program, "--child", "--control-fd", the
// number.
//
// The configuration is words: "events=FD" (where it reports: one line each, "PID what"), then what
// it does, in order:
//   ready             say READY                      note=TEXT      the same with a note
//   fail=TEXT         say FAILED and exit 1          fail-if=PATH   the same while PATH exists
//   exit=N            exit with N
//   crash             die by SIGSEGV                 crash-if=PATH  the same while PATH exists
//   open=PATH         open a FIFO and wait for its other end
//   describe          report inherited descriptors, ignored and blocked signals
//   hangup            close the control channel and live on
//   deaf              from here on read no messages and live on
// and how it answers "drain": exits 0, unless
//   drain-exit=N      exits with N      drain-hold  does not exit      drain-crash  dies by SIGSEGV
//   drain-close=FD    closes FD first (a listening socket)
#pragma once

namespace corral::supervisor {

int run_scripted_child(int control_fd);

}  // namespace corral::supervisor
