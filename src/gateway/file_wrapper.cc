#include "gateway/file_wrapper.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "interp/reference.h"

namespace corral::gateway {
namespace {

using interp::Ref;

struct FileWrapper {
  PyObject_HEAD PyObject* file;
  Py_ssize_t block_size;
};

FileWrapper* as_wrapper(PyObject* self) { return reinterpret_cast<FileWrapper*>(self); }

int wrapper_init(PyObject* self, PyObject* arguments, PyObject* keywords) {
  static const char* names[] = {"filelike", "block_size", nullptr};
  PyObject* file = nullptr;
  Py_ssize_t block_size = 8192;
  if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "O|n:FileWrapper",
                                   const_cast<char**>(names), &file, &block_size)) {
    return -1;
  }
  if (block_size <= 0) {
    PyErr_SetString(PyExc_ValueError, "block_size must be positive");
    return -1;
  }
  Py_XSETREF(as_wrapper(self)->file, Py_NewRef(file));
  as_wrapper(self)->block_size = block_size;
  return 0;
}

PyObject* wrapper_next(PyObject* self) {
  FileWrapper* wrapper = as_wrapper(self);
  if (wrapper->file == nullptr) return nullptr;
  Ref block = Ref::steal(PyObject_CallMethod(wrapper->file, "read", "n", wrapper->block_size));
  if (!block) return nullptr;
  const int more = PyObject_IsTrue(block.get());
  return more == 1 ? block.release() : nullptr;
}

// The server calls it after the response; it closes the file if that can be closed.
PyObject* wrapper_close(PyObject* self, PyObject*) {
  FileWrapper* wrapper = as_wrapper(self);
  if (wrapper->file == nullptr) Py_RETURN_NONE;
  PyObject* close = nullptr;
  if (PyObject_GetOptionalAttrString(wrapper->file, "close", &close) < 0) return nullptr;
  if (close == nullptr) Py_RETURN_NONE;
  Ref owned = Ref::steal(close);
  return PyObject_CallNoArgs(close);
}

int wrapper_traverse(PyObject* self, visitproc visit, void* arg) {
  Py_VISIT(Py_TYPE(self));
  Py_VISIT(as_wrapper(self)->file);
  return 0;
}

int wrapper_clear(PyObject* self) {
  Py_CLEAR(as_wrapper(self)->file);
  return 0;
}

void wrapper_dealloc(PyObject* self) {
  PyTypeObject* type = Py_TYPE(self);
  PyObject_GC_UnTrack(self);
  wrapper_clear(self);
  type->tp_free(self);
  Py_DECREF(type);
}

PyMethodDef wrapper_methods[] = {{"close", wrapper_close, METH_NOARGS, "Closes the wrapped file."},
                                 {nullptr, nullptr, 0, nullptr}};

PyType_Slot wrapper_slots[] = {
    {Py_tp_doc,
     const_cast<char*>("FileWrapper(filelike, block_size=8192): iterates over a file's blocks.")},
    {Py_tp_init, reinterpret_cast<void*>(wrapper_init)},
    {Py_tp_new, reinterpret_cast<void*>(PyType_GenericNew)},
    {Py_tp_dealloc, reinterpret_cast<void*>(wrapper_dealloc)},
    {Py_tp_traverse, reinterpret_cast<void*>(wrapper_traverse)},
    {Py_tp_clear, reinterpret_cast<void*>(wrapper_clear)},
    {Py_tp_iter, reinterpret_cast<void*>(PyObject_SelfIter)},
    {Py_tp_iternext, reinterpret_cast<void*>(wrapper_next)},
    {Py_tp_methods, wrapper_methods},
    {0, nullptr}};

PyType_Spec wrapper_spec = {"corral._guest.FileWrapper", sizeof(FileWrapper), 0,
                            Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE,
                            wrapper_slots};

}  // namespace

PyTypeObject* make_file_wrapper_type(PyObject* module) {
  return reinterpret_cast<PyTypeObject*>(PyType_FromModuleAndSpec(module, &wrapper_spec, nullptr));
}

// --- what can be sent without being read

namespace {

// A small file is sent with its head in one write; a larger one by the kernel.
constexpr long long kReadBytesMax = 64 * 1024;

// Of the object itself, or of what a wrapper like Django's File or tempfile's hands on: the object
// whose own read() is called in the end.
Ref find_reader(PyObject* file) {
  Ref read = Ref::steal(PyObject_GetAttrString(file, "read"));
  if (!read) return {};
  PyObject* wrapped = nullptr;
  if (PyObject_GetOptionalAttrString(read.get(), "__wrapped__", &wrapped) < 0) return {};
  if (wrapped != nullptr) read = Ref::steal(wrapped);
  if (!PyCFunction_Check(read.get())) return {};
  return Ref::borrow(PyCFunction_GetSelf(read.get()));
}

bool is_instance_of(PyObject* object, PyObject* io, const char* type_name) {
  Ref type = Ref::steal(PyObject_GetAttrString(io, type_name));
  return type && reinterpret_cast<PyObject*>(Py_TYPE(object)) == type.get();
}

// Only types whose bytes are known to be the file's: a GzipFile has a fileno() too.
bool is_plain_file(PyObject* reader) {
  Ref io = Ref::steal(PyImport_ImportModule("_io"));
  if (!io) return false;
  if (is_instance_of(reader, io.get(), "FileIO")) return true;
  if (!is_instance_of(reader, io.get(), "BufferedReader") &&
      !is_instance_of(reader, io.get(), "BufferedRandom")) {
    return false;
  }
  Ref raw = Ref::steal(PyObject_GetAttrString(reader, "raw"));
  return raw && is_instance_of(raw.get(), io.get(), "FileIO");
}

std::optional<FileBody> take_rest(PyObject* reader) {
  // Where reading would go on, which for a buffered file is not where the descriptor stands.
  Ref position = Ref::steal(PyObject_CallMethod(reader, "tell", nullptr));
  const long long offset = position ? PyLong_AsLongLong(position.get()) : -1;
  const int fd = PyObject_AsFileDescriptor(reader);
  struct stat status{};
  if (offset < 0 || fd < 0 || ::fstat(fd, &status) != 0 || !S_ISREG(status.st_mode)) return {};
  const long long size = status.st_size - offset;
  if (size <= 0) return {};  // or a file that does not know, as in /proc
  FileBody body;
  if (size <= kReadBytesMax) {
    body.bytes = Ref::steal(PyObject_CallMethod(reader, "read", "L", size));
    return body.bytes && PyBytes_Check(body.bytes.get()) ? std::optional(std::move(body))
                                                         : std::nullopt;
  }
  // One of our own: the application may close its descriptor while the file is being sent.
  Fd copy(::fcntl(fd, F_DUPFD_CLOEXEC, 0));
  if (!copy) return {};
  body.part = {std::move(copy), static_cast<std::uint64_t>(offset),
               static_cast<std::uint64_t>(size)};
  return body;
}

}  // namespace

bool is_file_wrapper(const GuestState& state, PyObject* result) {
  return Py_TYPE(result) == state.file_wrapper_type;
}

std::optional<FileBody> find_file_body(interp::Attached&, PyObject* wrapper) {
  PyObject* file = as_wrapper(wrapper)->file;
  if (file == nullptr) return {};
  std::optional<FileBody> body;
  Ref reader = find_reader(file);
  if (reader && is_plain_file(reader.get())) body = take_rest(reader.get());
  // Whatever went wrong goes wrong again when the file is read.
  PyErr_Clear();
  return body;
}

}  // namespace corral::gateway
