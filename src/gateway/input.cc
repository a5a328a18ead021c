#include "gateway/input.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <new>
#include <utility>

namespace corral::gateway {
namespace {

using interp::Ref;

// Of a file-backed body this much is looked at when searching for the end of a line.
constexpr std::size_t kLineStepBytes = 8 * 1024;

struct Input {
  PyObject_HEAD http::Body body;
  std::uint64_t position;
};

Input* as_input(PyObject* self) { return reinterpret_cast<Input*>(self); }

std::uint64_t left(const Input& input) { return input.body.size - input.position; }

// None or -1: everything. False with an exception set for anything that is no number.
bool parse_size(PyObject* const* arguments, Py_ssize_t count, std::uint64_t most,
                std::uint64_t& size) {
  size = most;
  if (count > 1) {
    PyErr_Format(PyExc_TypeError, "at most 1 argument expected, got %zd", count);
    return false;
  }
  if (count == 0 || arguments[0] == Py_None) return true;
  const Py_ssize_t wanted = PyNumber_AsSsize_t(arguments[0], nullptr);
  if (wanted == -1 && PyErr_Occurred()) return false;
  if (wanted >= 0) size = std::min<std::uint64_t>(most, static_cast<std::uint64_t>(wanted));
  return true;
}

// The next `size` bytes, which are there.
PyObject* take(Input& input, std::uint64_t size) {
  if (!input.body.in_file()) {
    const char* from = input.body.memory.data() + input.position;
    input.position += size;
    return PyBytes_FromStringAndSize(from, static_cast<Py_ssize_t>(size));
  }
  Ref bytes = Ref::steal(PyBytes_FromStringAndSize(nullptr, static_cast<Py_ssize_t>(size)));
  if (!bytes) return nullptr;
  char* to = PyBytes_AS_STRING(bytes.get());
  const std::uint64_t from = input.position;
  input.position += size;  // now: another thread may read from the stream as soon as we are outside
  std::uint64_t done = 0;
  int failure = 0;
  Py_BEGIN_ALLOW_THREADS while (done < size) {
    const ssize_t count =
        ::pread(input.body.file.get(), to + done, size - done, static_cast<off_t>(from + done));
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) {
      failure = count == 0 ? EIO : errno;
      break;
    }
    done += static_cast<std::uint64_t>(count);
  }
  Py_END_ALLOW_THREADS if (failure != 0) {
    errno = failure;
    return PyErr_SetFromErrno(PyExc_OSError);
  }
  return bytes.release();
}

// Bytes up to and including the next line feed, `most` at the most. False with an exception set
// when reading fails.
bool line_size(const Input& input, std::uint64_t most, std::uint64_t& size) {
  if (!input.body.in_file()) {
    const char* from = input.body.memory.data() + input.position;
    const void* end = std::memchr(from, '\n', most);
    size = end == nullptr ? most
                          : static_cast<std::uint64_t>(static_cast<const char*>(end) - from) + 1;
    return true;
  }
  char buffer[kLineStepBytes];
  size = 0;
  while (size < most) {
    const std::size_t step = std::min<std::uint64_t>(sizeof buffer, most - size);
    const ssize_t count =
        ::pread(input.body.file.get(), buffer, step, static_cast<off_t>(input.position + size));
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) {
      errno = count == 0 ? EIO : errno;
      PyErr_SetFromErrno(PyExc_OSError);
      return false;
    }
    const void* end = std::memchr(buffer, '\n', static_cast<std::size_t>(count));
    if (end != nullptr) {
      size += static_cast<std::uint64_t>(static_cast<const char*>(end) - buffer) + 1;
      return true;
    }
    size += static_cast<std::uint64_t>(count);
  }
  return true;
}

PyObject* input_read(PyObject* self, PyObject* const* arguments, Py_ssize_t count) {
  std::uint64_t size = 0;
  if (!parse_size(arguments, count, left(*as_input(self)), size)) return nullptr;
  return take(*as_input(self), size);
}

PyObject* input_readline(PyObject* self, PyObject* const* arguments, Py_ssize_t count) {
  Input& input = *as_input(self);
  std::uint64_t most = 0, size = 0;
  if (!parse_size(arguments, count, left(input), most)) return nullptr;
  if (!line_size(input, most, size)) return nullptr;
  return take(input, size);
}

PyObject* input_readlines(PyObject* self, PyObject* const* arguments, Py_ssize_t count) {
  Input& input = *as_input(self);
  std::uint64_t hint = 0;
  if (!parse_size(arguments, count, left(input), hint)) return nullptr;
  if (hint == 0) hint = left(input);  // as io.IOBase.readlines: a hint of 0 is no hint
  Ref lines = Ref::steal(PyList_New(0));
  const std::uint64_t start = input.position;
  while (lines && left(input) > 0 && input.position - start < hint) {
    std::uint64_t size = 0;
    if (!line_size(input, left(input), size)) return nullptr;
    Ref line = Ref::steal(take(input, size));
    if (!line || PyList_Append(lines.get(), line.get()) != 0) return nullptr;
  }
  return lines.release();
}

PyObject* input_next(PyObject* self) {
  Input& input = *as_input(self);
  std::uint64_t size = 0;
  if (left(input) == 0 || !line_size(input, left(input), size)) return nullptr;
  return take(input, size);
}

PyObject* input_close(PyObject*, PyObject*) { Py_RETURN_NONE; }

void input_dealloc(PyObject* self) {
  PyTypeObject* type = Py_TYPE(self);
  as_input(self)->body.~Body();
  type->tp_free(self);
  Py_DECREF(type);
}

PyMethodDef input_methods[] = {
    {"read", _PyCFunction_CAST(input_read), METH_FASTCALL, "read([size]) -> bytes"},
    {"readline", _PyCFunction_CAST(input_readline), METH_FASTCALL, "readline([size]) -> bytes"},
    {"readlines", _PyCFunction_CAST(input_readlines), METH_FASTCALL,
     "readlines([hint]) -> list of bytes"},
    {"close", input_close, METH_NOARGS, "Does nothing: the stream belongs to the server."},
    {nullptr, nullptr, 0, nullptr}};

PyType_Slot input_slots[] = {{Py_tp_doc, const_cast<char*>("The body of a request (PEP 3333).")},
                             {Py_tp_dealloc, reinterpret_cast<void*>(input_dealloc)},
                             {Py_tp_iter, reinterpret_cast<void*>(PyObject_SelfIter)},
                             {Py_tp_iternext, reinterpret_cast<void*>(input_next)},
                             {Py_tp_methods, input_methods},
                             {0, nullptr}};

PyType_Spec input_spec = {
    "corral._guest.Input", sizeof(Input), 0,
    Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION | Py_TPFLAGS_IMMUTABLETYPE, input_slots};

}  // namespace

PyTypeObject* make_input_type(PyObject* module) {
  return reinterpret_cast<PyTypeObject*>(PyType_FromModuleAndSpec(module, &input_spec, nullptr));
}

Ref make_input(interp::Attached&, const GuestState& state, http::Body&& body) {
  Ref object = Ref::steal(state.input_type->tp_alloc(state.input_type, 0));
  if (!object) return object;
  new (&as_input(object.get())->body) http::Body(std::move(body));
  as_input(object.get())->position = 0;
  return object;
}

}  // namespace corral::gateway
