#include "interp/thread_control.h"

#include <gtest/gtest.h>

#include <latch>
#include <string>

#include "base/thread.h"

namespace corral::interp {
namespace {

// Runs `code`; the name of the exception that ended it, or "".
std::string run(Attached&, const char* code) {
  Ref globals = Ref::steal(PyDict_New());
  PyDict_SetItemString(globals.get(), "__builtins__", PyEval_GetBuiltins());
  Ref done = Ref::steal(PyRun_String(code, Py_file_input, globals.get(), globals.get()));
  if (done) return "";
  Ref exception = Ref::steal(PyErr_GetRaisedException());
  return Py_TYPE(exception.get())->tp_name;
}

std::string function_of(const Ref& frame) {
  Ref code = Ref::steal(
      reinterpret_cast<PyObject*>(PyFrame_GetCode(reinterpret_cast<PyFrameObject*>(frame.get()))));
  Ref name = Ref::steal(PyObject_GetAttrString(code.get(), "co_name"));
  return PyUnicode_AsUTF8(name.get());
}

// An interpreter with a second thread that runs `body` there while the test's own thread looks on.
class ThreadControlTest : public testing::Test {
 protected:
  void with_other(const std::function<void(PythonThread&)>& body,
                  const std::function<void(PythonThread& own, PythonThread& other)>& look) {
    Thread owner("owner", [&] {
      std::unique_ptr<PythonThread> own;
      auto interpreter = Interpreter::create(Placement::sub_interpreter, own);
      ASSERT_TRUE(interpreter);
      PythonThread* other = nullptr;
      std::latch started(1);
      Thread thread("other", [&] {
        const auto mine = PythonThread::create(**interpreter);
        other = mine.get();
        started.count_down();
        body(*mine);
      });
      started.wait();
      look(*own, *other);
      thread.join();
      (*interpreter)->end(std::move(own));
    });
    owner.join();
  }
};

constexpr const char* kSpin = "def spin():\n  while True: pass\nspin()\n";

TEST_F(ThreadControlTest, FindsWhatAnotherThreadExecutesAndBreaksItOff) {
  std::string ending;
  with_other(
      [&](PythonThread& thread) {
        Attached attached(thread);
        ending = run(attached, kSpin);
      },
      [](PythonThread& own, PythonThread& other) {
        for (bool found = false; !found;) {  // until it has begun
          Attached attached(own);
          Ref frame = current_frame(attached, other);
          if (!frame || function_of(frame) != "spin") continue;
          found = true;
          interrupt(attached, other, PyExc_TimeoutError);
        }
      });
  EXPECT_EQ(ending, "TimeoutError");
}

TEST_F(ThreadControlTest, AThreadOutsidePythonHasNoFrame) {
  std::latch looked(1);
  with_other([&](PythonThread&) { looked.wait(); },
             [&](PythonThread& own, PythonThread& other) {
               {
                 Attached attached(own);
                 EXPECT_FALSE(current_frame(attached, other));
               }
               looked.count_down();
             });
}

TEST_F(ThreadControlTest, AnInterruptThatCameTooLateIsClearedAway) {
  std::latch interrupted(1);
  std::string ending = "not run";
  with_other(
      [&](PythonThread& thread) {
        interrupted.wait();
        Attached attached(thread);
        clear_interrupt(attached);
        ending = run(attached, "for _ in range(1000): pass\n");
      },
      [&](PythonThread& own, PythonThread& other) {
        {
          Attached attached(own);
          interrupt(attached, other, PyExc_TimeoutError);
        }
        interrupted.count_down();
      });
  EXPECT_EQ(ending, "");
}

}  // namespace
}  // namespace corral::interp
