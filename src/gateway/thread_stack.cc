#include "gateway/thread_stack.h"

#include <Python.h>

#include <algorithm>

#include "interp/thread_control.h"

namespace corral::gateway {
namespace {

using interp::Ref;

// A view lies some thirty calls deep in Django.
constexpr std::size_t kLinesMax = 100;

std::string to_text(const Ref& text) {
  const char* bytes = text ? PyUnicode_AsUTF8(text.get()) : nullptr;
  if (bytes != nullptr) return bytes;
  PyErr_Clear();
  return "?";
}

// Without the indentation it has in its file; empty when there is no such file.
std::string source_of(PyObject* linecache, const StackLine& line) {
  Ref text =
      linecache == nullptr
          ? Ref()
          : Ref::steal(PyObject_CallMethod(linecache, "getline", "Oi", line.file.get(), line.line));
  Ref bare = text ? Ref::steal(PyObject_CallMethod(text.get(), "strip", nullptr)) : Ref();
  if (!bare) PyErr_Clear();
  return bare ? to_text(bare) : std::string();
}

}  // namespace

std::vector<StackLine> look_at_stack(interp::Attached& attached,
                                     const interp::PythonThread& thread) {
  std::vector<StackLine> lines;
  Ref frame = interp::current_frame(attached, thread);
  while (frame && lines.size() < kLinesMax) {
    auto* at = reinterpret_cast<PyFrameObject*>(frame.get());
    Ref code = Ref::steal(reinterpret_cast<PyObject*>(PyFrame_GetCode(at)));
    const auto* described = reinterpret_cast<PyCodeObject*>(code.get());
    lines.push_back({Ref::borrow(described->co_filename), Ref::borrow(described->co_qualname),
                     PyFrame_GetLineNumber(at)});
    frame = Ref::steal(reinterpret_cast<PyObject*>(PyFrame_GetBack(at)));
  }
  std::reverse(lines.begin(), lines.end());
  return lines;
}

std::string format_stack(interp::Attached&, const std::vector<StackLine>& lines) {
  if (lines.empty()) return "  (in no Python code)\n";
  Ref linecache = Ref::steal(PyImport_ImportModule("linecache"));
  if (!linecache) PyErr_Clear();
  std::string text;
  for (const StackLine& line : lines) {
    text += "  File \"" + to_text(line.file) + "\", line " + std::to_string(line.line) + ", in " +
            to_text(line.function) + "\n";
    const std::string source = source_of(linecache.get(), line);
    if (!source.empty()) text += "    " + source + "\n";
  }
  return text;
}

}  // namespace corral::gateway
