#include "interp/interpreter.h"

#include <Python.h>
#include <gtest/gtest.h>

#include <atomic>
#include <barrier>
#include <string>
#include <vector>

#include "base/thread.h"
#include "interp/reference.h"

namespace corral::interp {
namespace {

// Runs `code` in __main__ of the interpreter we are in; what it assigned to `result`, as text, or
// the exception's name.
std::string evaluate(Attached&, const char* code) {
  Ref globals = Ref::steal(PyDict_New());
  PyDict_SetItemString(globals.get(), "__builtins__", PyEval_GetBuiltins());
  Ref done = Ref::steal(PyRun_String(code, Py_file_input, globals.get(), globals.get()));
  if (!done) {
    Ref exception = Ref::steal(PyErr_GetRaisedException());
    return Py_TYPE(exception.get())->tp_name;
  }
  Ref text = Ref::steal(PyObject_Str(PyDict_GetItemString(globals.get(), "result")));
  return PyUnicode_AsUTF8(text.get());
}

// A body on a thread of its own, as workers are, with an interpreter made there and ended there.
void in_new_interpreter(const std::function<void(Interpreter&, PythonThread&)>& body) {
  Thread thread("test", [&] {
    std::unique_ptr<PythonThread> first;
    auto interpreter = Interpreter::create(Placement::sub_interpreter, first);
    ASSERT_TRUE(interpreter) << interpreter.error().message;
    body(**interpreter, *first);
    (*interpreter)->end(std::move(first));
  });
  thread.join();
}

std::string in_python(const char* code) {
  std::string result;
  in_new_interpreter([&](Interpreter&, PythonThread& thread) {
    Attached attached(thread);
    result = evaluate(attached, code);
  });
  return result;
}

TEST(Interpreter, HasAStateAndAGilOfItsOwn) {
  std::int64_t id = 0;
  in_new_interpreter([&](Interpreter& interpreter, PythonThread& thread) {
    id = interpreter.id();
    Attached attached(thread);
    EXPECT_EQ(evaluate(attached, "import _interpreters; result = _interpreters.get_current()[0]"),
              std::to_string(id));
    EXPECT_EQ(evaluate(attached,
                       "import _interpreters\n"
                       "config = _interpreters.get_config(_interpreters.get_current()[0])\n"
                       "result = (config.gil, config.use_main_obmalloc, config.allow_fork, "
                       "config.allow_exec,\n"
                       "          config.allow_threads, config.allow_daemon_threads,\n"
                       "          config.check_multi_interp_extensions)"),
              "('own', False, False, False, True, True, True)");
  });
  EXPECT_NE(id, 0);
}

// Rule 3: both would run at once only with a GIL each: each waits, attached, for the other.
TEST(Interpreter, TwoRunPythonAtTheSameTime) {
  std::barrier both(2);
  const auto body = [&] {
    std::unique_ptr<PythonThread> first;
    auto interpreter = Interpreter::create(Placement::sub_interpreter, first);
    ASSERT_TRUE(interpreter);
    {
      Attached attached(*first);
      both.arrive_and_wait();  // never passed if the other needed our GIL to get here
    }
    (*interpreter)->end(std::move(first));
  };
  Thread one("one", body), two("two", body);
  one.join();
  two.join();
}

TEST(Interpreter, RefusesForkAndExec) {
  EXPECT_EQ(in_python("import os; result = os.fork()"), "RuntimeError");
  EXPECT_EQ(in_python("import os; os.execv('/bin/true', ['true'])"), "RuntimeError");
}

TEST(Interpreter, StartsDaemonThreads) {
  EXPECT_EQ(in_python("import threading\n"
                      "ran = threading.Event()\n"
                      "threading.Thread(target=ran.set, daemon=True).start()\n"
                      "result = ran.wait(30)"),
            "True");
}

// A module without multi-phase initialisation would share its objects between interpreters.
TEST(Interpreter, RefusesModulesThatDoNotSupportIt) {
  EXPECT_EQ(in_python("import corral_room_tests; result = 'loaded'"), "ImportError");
}

TEST(Interpreter, LeaksNothingOver50Lives) {
  const int before = count_live_interpreters();
  for (int life = 0; life < 50; ++life) {
    EXPECT_EQ(in_python("import json, sqlite3, threading\n"
                        "connection = sqlite3.connect(':memory:')\n"
                        "connection.create_function('f', 0, lambda: 1)\n"
                        "result = connection.execute('select f()').fetchone()[0]"),
              "1");
  }
  EXPECT_EQ(count_live_interpreters(), before);
}

TEST(PythonThread, SeveralServeOneInterpreter) {
  std::atomic<int> ran{0};
  in_new_interpreter([&](Interpreter& interpreter, PythonThread&) {
    std::vector<Thread> threads;
    for (int index = 0; index < 4; ++index) {
      threads.emplace_back("other", [&] {
        std::unique_ptr<PythonThread> thread = PythonThread::create(interpreter);
        for (int turn = 0; turn < 500; ++turn) {
          Attached attached(*thread);
          if (evaluate(attached, "result = sum(range(10))") == "45") ++ran;
        }
      });
    }
    for (Thread& thread : threads) thread.join();
  });
  EXPECT_EQ(ran, 4 * 500);
}

// Rule 1: the reason is the C stack's limit. A thread state made here knows this thread's stack.
TEST(PythonThread, DeepCRecursionRaisesInsteadOfCrashing) {
  EXPECT_EQ(in_python("nested = []\n"
                      "for _ in range(1_000_000): nested = [nested]\n"
                      "repr(nested)"),
            "RecursionError");
}

TEST(PythonThreadDeathTest, AttachingOnAnotherThreadStopsTheProcess) {
  GTEST_FLAG_SET(death_test_style, "fast");  // a new program would be Python without these tests
  in_new_interpreter([&](Interpreter&, PythonThread& thread) {
    Thread other("other", [&] {
      EXPECT_DEATH(Attached attached(thread), "attached only on the thread that made it");
    });
    other.join();
  });
}

TEST(Detached, LetsAnotherThreadIn) {
  in_new_interpreter([&](Interpreter& interpreter, PythonThread& thread) {
    Attached attached(thread);
    std::string seen;
    {
      Detached detached(attached);
      Thread other("other", [&] {
        std::unique_ptr<PythonThread> theirs = PythonThread::create(interpreter);
        Attached inside(*theirs);
        seen = evaluate(inside, "result = 'in'");
      });
      other.join();
    }
    EXPECT_EQ(seen, "in");
    EXPECT_EQ(evaluate(attached, "result = 'back'"), "back");
  });
}

TEST(Placement, MainIsTheProcessesOwnInterpreter) {
  Thread thread("test", [&] {
    std::unique_ptr<PythonThread> first;
    auto interpreter = Interpreter::create(Placement::main, first);
    ASSERT_TRUE(interpreter);
    EXPECT_EQ((*interpreter)->id(), 0);
    {
      Attached attached(*first);
      EXPECT_EQ(evaluate(attached, "result = 1"), "1");
    }
    (*interpreter)->end(std::move(first));
  });
  thread.join();
}

}  // namespace
}  // namespace corral::interp
