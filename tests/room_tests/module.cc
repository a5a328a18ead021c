// The module corral_room_tests: the GoogleTest tests of the rooms that need an interpreter around
// them.
//
//   corral_room_tests.run(argv: list[str]) -> int     argv as for a test program (argv[0]
//   included); its exit status
//
// It is built for the main interpreter of a process of its own (tests/test_rooms.py starts one for
// each test suite). The main GIL is free while the tests run, as it is in the engine: they make
// their own thread states and interpreters.
#include <Python.h>

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace {

// argv as GoogleTest wants it: writable, and alive as long as the run. False with a Python error
// set.
bool read_arguments(PyObject* list, std::vector<std::string>& arguments) {
  for (Py_ssize_t i = 0; i < PyList_Size(list); ++i) {
    const char* text = PyUnicode_AsUTF8(PyList_GetItem(list, i));
    if (text == nullptr) return false;
    arguments.emplace_back(text);
  }
  return true;
}

PyObject* run(PyObject*, PyObject* args) {
  PyObject* list = nullptr;
  std::vector<std::string> arguments;
  if (!PyArg_ParseTuple(args, "O!:run", &PyList_Type, &list)) return nullptr;
  if (!read_arguments(list, arguments)) return nullptr;

  std::vector<char*> argv;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  int argc = static_cast<int>(argv.size());
  argv.push_back(nullptr);
  testing::InitGoogleTest(&argc, argv.data());

  PyThreadState* caller = PyEval_SaveThread();
  const int status = RUN_ALL_TESTS();
  PyEval_RestoreThread(caller);
  return PyLong_FromLong(status);
}

PyMethodDef methods[] = {
    {"run", run, METH_VARARGS,
     "run(argv: list[str]) -> int: run the tests linked into this module."},
    {nullptr, nullptr, 0, nullptr},
};

PyModuleDef_Slot slots[] = {
    {Py_mod_multiple_interpreters, Py_MOD_MULTIPLE_INTERPRETERS_NOT_SUPPORTED},
    {0, nullptr},
};

PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    "corral_room_tests",
    "C++ tests that need an interpreter.",
    0,
    methods,
    slots,
    nullptr,
    nullptr,
    nullptr,
};

}  // namespace

PyMODINIT_FUNC PyInit_corral_room_tests() { return PyModuleDef_Init(&definition); }
