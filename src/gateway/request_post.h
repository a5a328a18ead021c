// What one thread of a web worker has in hand: a request, and who may answer it.
//
//   free --begin()--> open <--hold(), let_go()--> held      the thread sends, or reads the request
//    ^                  \---------expire()------> taken     the watcher has answered in its place
//    +-- end() ---------------(from each)
//
// `open` is the application's time: the watcher may take the request, and what the thread does for
// it afterwards has no effect. `held` is the server's own work and the client's time, which do not
// count. Both are in one word with the number of the turn, so that what is meant for one request
// cannot meet the next.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>

#include "base/log.h"
#include "exec/post.h"
#include "http/exchange.h"
#include "interp/interpreter.h"
#include "interp/reference.h"

namespace corral::gateway {

class RequestPost final : public exec::Post {
 public:
  // `interruption`: the class raised in a thread that takes too long; both outlive the post.
  RequestPost(Log& log, const interp::Ref& interruption) : log_(log), interruption_(interruption) {}

  // --- the thread; with the GIL where it says so
  void begin(http::Exchange exchange);
  // Attached. True while the request is the thread's to answer: until let_go() nobody takes it.
  // May be repeated.
  bool hold();
  // Whether hold() holds. Also detached, like all below.
  bool is_held() const { return (word_.load(std::memory_order_relaxed) & kStateMask) == kHeld; }
  // Before the application goes on. Nothing when it is not held.
  void let_go() {
    if (is_held()) word_.store(turn_ | kOpen, std::memory_order_release);
  }
  // While held, before the response is complete and code of the application is still to run: keeps
  // what a record would say of the request.
  void remember();
  // While held.
  http::Exchange& exchange() { return exchange_; }
  // Attached. No interrupt comes from here on until unshield() or the end of the turn: Python code
  // of our own is about to run, and an import that is broken off may leave its lock behind.
  void shield(interp::Attached& attached);
  void unshield() { is_shielded_ = false; }
  // Attached: raises what an overdue thread is interrupted with.
  void raise_interruption() const;
  // How the application ended whose request had been taken, for the record of its end.
  void note_ending(std::string ending) { ending_ = std::move(ending); }
  // Attached. No interrupt is pending afterwards.
  void end(interp::Attached& attached);

  // --- exec::Post
  std::uint64_t turn() const override {
    return word_.load(std::memory_order_acquire) >> kStateBits;
  }
  bool is_timed() const override;
  bool expire(const exec::Finding& finding) override;
  void report_unseen(const exec::Finding& finding, std::string_view why) override;
  bool report(interp::Attached& attached, const interp::PythonThread& thread,
              const exec::Finding& finding) override;

 private:
  static constexpr int kStateBits = 2;
  static constexpr std::uint64_t kStateMask = 3;
  // Of a turn; between two the word is 0.
  static constexpr std::uint64_t kOpen = 0;
  static constexpr std::uint64_t kHeld = 1;
  static constexpr std::uint64_t kTaking = 2;  // by a thread that will not be long
  static constexpr std::uint64_t kTaken = 3;

  // What a record says of a request: kept when somebody looked at it, as it may be gone later.
  struct Facts {
    std::uint64_t turn = 0;
    std::string method, target, request_id;
    std::int64_t started_ns = 0;
    std::string_view client_gets;
  };

  void remember(const http::Exchange& exchange, std::uint64_t turn, std::string_view client_gets);
  void write_finding(const exec::Finding& finding, std::string_view name, std::string_view text);
  void write_end();
  Facts facts(std::uint64_t turn);

  Log& log_;
  const interp::Ref& interruption_;
  std::atomic<std::uint64_t> word_{0};
  http::Exchange exchange_;  // owned by who holds, or takes; and by the thread between two turns
  std::uint64_t turn_ = 0;   // the thread's: shifted, as in word_
  std::string ending_;       // the thread's
  // Guarded by the GIL:
  bool is_interrupted_ = false;
  bool is_shielded_ = false;
  bool is_written_ = false;  // a record of this turn has been, so its end gets one too
  bool is_stubborn_ = false;
  std::atomic<std::uint64_t> expired_turn_{0};  // the last one that expire() took
  std::mutex mutex_;
  Facts facts_;  // guarded by mutex_
};

}  // namespace corral::gateway
