#include "gateway/python_error.h"

#include "interp/reference.h"

namespace corral::gateway {
namespace {

using interp::Ref;

std::string to_text(PyObject* object) {
  if (object == nullptr || !PyUnicode_Check(object)) {
    PyErr_Clear();
    return {};
  }
  // Surrogates and the like must not make the report fail.
  Ref bytes = Ref::steal(PyUnicode_AsEncodedString(object, "utf-8", "backslashreplace"));
  if (!bytes) {
    PyErr_Clear();
    return {};
  }
  return {PyBytes_AS_STRING(bytes.get()), static_cast<std::size_t>(PyBytes_GET_SIZE(bytes.get()))};
}

std::string format_traceback(PyObject* exception) {
  Ref module = Ref::steal(PyImport_ImportModule("traceback"));
  Ref lines =
      module ? Ref::steal(PyObject_CallMethod(module.get(), "format_exception", "O", exception))
             : Ref();
  Ref empty = lines ? Ref::steal(PyUnicode_FromString("")) : Ref();
  Ref joined = empty ? Ref::steal(PyUnicode_Join(empty.get(), lines.get())) : Ref();
  if (!joined) PyErr_Clear();
  return joined ? to_text(joined.get()) : std::string();
}

std::string summarize(PyObject* exception) {
  std::string summary = Py_TYPE(exception)->tp_name;
  Ref text = Ref::steal(PyObject_Str(exception));
  if (!text) PyErr_Clear();
  const std::string message = text ? to_text(text.get()) : std::string();
  if (!message.empty()) summary += ": " + message;
  return summary;
}

}  // namespace

PythonError take_python_error(interp::Attached&) {
  Ref exception = Ref::steal(PyErr_GetRaisedException());
  if (!exception) return {"no exception was set", {}};
  PythonError error{summarize(exception.get()), format_traceback(exception.get())};
  PyErr_Clear();
  return error;
}

std::string take_boot_failure(interp::Attached& attached) {
  Ref exception = Ref::steal(PyErr_GetRaisedException());
  Ref module = Ref::steal(PyImport_ImportModule("corral.failures"));
  Ref line = module
                 ? Ref::steal(PyObject_CallMethod(module.get(), "describe", "O", exception.get()))
                 : Ref();
  std::string text = line ? to_text(line.get()) : std::string();
  if (!text.empty()) return text;
  PyErr_Clear();
  PyErr_SetRaisedException(exception.release());
  return take_python_error(attached).summary;
}

}  // namespace corral::gateway
