// wsgi.file_wrapper(filelike, block_size=8192): an iterable over a file's blocks (PEP 3333,
// "Optional Platform-Specific File Handling").
#pragma once

#include <Python.h>

#include <optional>

#include "gateway/guest.h"
#include "http/outbox.h"
#include "interp/interpreter.h"

namespace corral::gateway {

PyTypeObject* make_file_wrapper_type(PyObject* module);

// What iterating over a wrapper would give, got in one piece: a part of a file that need not be
// read, or bytes.
struct FileBody {
  http::FilePart part;  // with an fd, or ...
  interp::Ref bytes;

  std::uint64_t size() const {
    return bytes ? static_cast<std::uint64_t>(PyBytes_GET_SIZE(bytes.get())) : part.size;
  }
};

bool is_file_wrapper(const GuestState& state, PyObject* result);

// For a wrapper around a plain binary file of the io module, be that wrapped itself, which is a
// regular file that is not at its end. Nothing for all others, whose read() must be called. No
// exception is left.
std::optional<FileBody> find_file_body(interp::Attached& attached, PyObject* wrapper);

}  // namespace corral::gateway
