#include "gateway/wsgi_call.h"

#include <algorithm>
#include <string>

#include "gateway/python_error.h"

namespace corral::gateway {
namespace {

using http::Exchange;
using http::ResponseFraming;
using interp::Ref;

// The bytes of a str that holds only latin-1, as PEP 3333 wants header strings; false with
// TypeError or ValueError set.
bool latin1_view(PyObject* text, const char* what, std::string_view& view) {
  if (!PyUnicode_Check(text)) {
    PyErr_Format(PyExc_TypeError, "%s must be str, not %s", what, Py_TYPE(text)->tp_name);
    return false;
  }
  if (PyUnicode_KIND(text) != PyUnicode_1BYTE_KIND) {
    PyErr_Format(PyExc_ValueError, "%s has characters outside latin-1: %R", what, text);
    return false;
  }
  view = {reinterpret_cast<const char*>(PyUnicode_1BYTE_DATA(text)),
          static_cast<std::size_t>(PyUnicode_GET_LENGTH(text))};
  return true;
}

bool raise_if_error(const Result<void>& result) {
  if (result) return true;
  PyErr_SetString(PyExc_ValueError, result.error().message.c_str());
  return false;
}

}  // namespace

void WsgiCall::run() {
  begin();
  if (call_application()) {
    finish();
  } else {
    fail();
  }
  close_result();
}

void WsgiCall::begin() {
  head_.reset();
  parts_.clear();
  file_ = {};
  body_bytes_ = 0;
  head_ended_ = client_gone_ = wrong_length_ = false;
}

// False, with what an interrupt would raise, when the request's time is over.
bool WsgiCall::hold() {
  if (post_.hold()) return true;
  post_.raise_interruption();
  return false;
}

bool WsgiCall::call_application() {
  Ref environ = environs_.build(attached_, state_, exchange());
  if (!environ) return false;
  Ref start_response = make_start_response(attached_, state_, *this);
  if (!start_response) return false;
  post_.let_go();
  PyObject* arguments[] = {nullptr, environ.get(), start_response.get()};
  result_ = Ref::steal(PyObject_Vectorcall(application_, arguments + 1,
                                           2 | PY_VECTORCALL_ARGUMENTS_OFFSET, nullptr));
  const bool done = result_ && iterate(result_.get());
  cut_loose(start_response.get());
  return done;
}

// start_response(status, headers, exc_info). With exc_info an unsent head may be replaced; a sent
// one re-raises.
bool WsgiCall::start(PyObject* status, PyObject* headers, PyObject* exc_info) {
  if (exc_info != nullptr) {
    if (!PyTuple_Check(exc_info) || PyTuple_GET_SIZE(exc_info) != 3) {
      PyErr_SetString(PyExc_TypeError,
                      "exc_info must be a tuple of three, as sys.exc_info() returns it");
      return false;
    }
    if (head_ended_) {
      PyObject* value = PyTuple_GET_ITEM(exc_info, 1);
      if (PyExceptionInstance_Check(value)) {
        PyErr_SetRaisedException(Py_NewRef(value));
      } else {
        PyErr_SetString(PyExc_RuntimeError, "the response has begun: its head cannot be replaced");
      }
      return false;
    }
  } else if (head_.has_status()) {
    PyErr_SetString(PyExc_AssertionError,
                    "start_response was already called; pass exc_info to replace the response");
    return false;
  }
  std::string_view text;
  head_.reset();
  const auto add = [this](std::string_view name, std::string_view value) {
    return head_.add_header(name, value);
  };
  if (latin1_view(status, "status", text) && raise_if_error(head_.set_status(text)) &&
      each_header(headers, add)) {
    return true;
  }
  head_.reset();
  return false;
}

// Calls `add` with each name and value, which may refuse them.
template <typename Add>
bool WsgiCall::each_header(PyObject* headers, const Add& add) {
  if (!PyList_Check(headers)) {
    PyErr_Format(PyExc_TypeError, "headers must be a list of (name, value) tuples, not %s",
                 Py_TYPE(headers)->tp_name);
    return false;
  }
  for (Py_ssize_t index = 0; index < PyList_GET_SIZE(headers); ++index) {
    PyObject* pair = PyList_GET_ITEM(headers, index);
    std::string_view name, value;
    if (!PyTuple_Check(pair) || PyTuple_GET_SIZE(pair) != 2) {
      PyErr_Format(PyExc_TypeError, "headers must be (name, value) tuples, not %R", pair);
      return false;
    }
    if (!latin1_view(PyTuple_GET_ITEM(pair, 0), "a header name", name) ||
        !latin1_view(PyTuple_GET_ITEM(pair, 1), "a header value", value) ||
        !raise_if_error(add(name, value))) {
      return false;
    }
  }
  return true;
}

// An interim response (RFC 8297). Clients of HTTP/1.0 know none.
bool WsgiCall::send_hints(PyObject* headers) {
  std::string hints(http::kEarlyHintsLine);
  const auto add = [&hints](std::string_view name, std::string_view value) {
    return http::add_hint(hints, name, value);
  };
  if (!each_header(headers, add)) return false;
  hints.append("\r\n");
  if (!hold()) return false;
  const bool is_in_time = !head_ended_ && exchange();
  if (is_in_time && exchange().request().version_minor > 0) {
    interp::Detached detached(attached_);
    client_gone_ = client_gone_ || exchange().send_interim(hints) == http::Sent::gone;
    post_.let_go();
  }
  post_.let_go();
  if (!is_in_time)
    PyErr_SetString(PyExc_RuntimeError, "the response has begun: hints come before it");
  return is_in_time;
}

bool WsgiCall::write(PyObject* bytes) {
  std::string_view part;
  if (!body_part(bytes, part)) return false;
  const bool is_sent = end_head(-1) && fit_length(part) && send(part, Exchange::More::follows);
  post_.let_go();
  return is_sent;
}

bool WsgiCall::body_part(PyObject* item, std::string_view& part) {
  if (!PyBytes_Check(item)) {
    PyErr_Format(PyExc_TypeError, "the body must be bytes, not %s", Py_TYPE(item)->tp_name);
    return false;
  }
  part = {PyBytes_AS_STRING(item), static_cast<std::size_t>(PyBytes_GET_SIZE(item))};
  return true;
}

// The head's bytes are decided with the first byte of the body, or its end. `known_length`: of the
// whole body, or -1.
bool WsgiCall::end_head(std::int64_t known_length) {
  if (head_ended_) return true;
  if (!head_.has_status()) {
    PyErr_SetString(PyExc_AssertionError,
                    "the application did not call start_response before its first output");
    return false;
  }
  if (!hold()) return false;
  head_.finish(exchange().request(), known_length, exchange().may_keep(), exchange().server_line());
  head_ended_ = true;
  return true;
}

// Never sends more than the application's own Content-Length: what is over would be read as the
// next response.
bool WsgiCall::fit_length(std::string_view& part) {
  const std::int64_t declared = head_.content_length();
  if (declared >= 0 && head_.framing() == ResponseFraming::length) {
    const std::uint64_t room = static_cast<std::uint64_t>(declared) - body_bytes_;
    if (part.size() > room) {
      wrong_length_ = true;
      part = part.substr(0, room);
    }
  }
  body_bytes_ += part.size();
  return true;
}

bool WsgiCall::iterate(PyObject* result) {
  if (PyList_CheckExact(result) || PyTuple_CheckExact(result)) return send_sequence(result);
  // After a write() the framing is decided, and needs every part by itself.
  if (!head_ended_ && is_file_wrapper(state_, result)) {
    if (auto file = find_file_body(attached_, result)) return send_file(std::move(*file));
  }
  return send_each(result);
}

// A file's length is known like a list's. A Content-Length that is shorter asks for a range of it.
bool WsgiCall::send_file(FileBody file) {
  std::uint64_t size = file.size();
  if (!end_head(static_cast<std::int64_t>(size))) return false;
  if (head_.content_length() >= 0)
    size = std::min(size, static_cast<std::uint64_t>(head_.content_length()));
  body_bytes_ = size;
  if (head_.framing() != ResponseFraming::length) return true;  // no body is wanted
  if (file.bytes) {
    parts_.emplace_back(PyBytes_AS_STRING(file.bytes.get()), size);
    held_.push_back(std::move(file.bytes));
  } else {
    file_ = std::move(file.part);
    file_.size = size;
  }
  return true;
}

// A list or tuple is complete: its length is known and it goes out at once.
bool WsgiCall::send_sequence(PyObject* result) {
  const Py_ssize_t count = PySequence_Fast_GET_SIZE(result);
  std::int64_t total = 0;
  for (Py_ssize_t index = 0; index < count; ++index) {
    std::string_view part;
    if (!body_part(PySequence_Fast_GET_ITEM(result, index), part)) return false;
    total += static_cast<std::int64_t>(part.size());
  }
  if (!end_head(total)) return false;
  for (Py_ssize_t index = 0; index < count; ++index) {
    std::string_view part;
    PyObject* item = PySequence_Fast_GET_ITEM(result, index);
    if (!body_part(item, part) || !fit_length(part)) return false;
    held_.push_back(Ref::borrow(item));
    if (!part.empty()) parts_.push_back(part);
  }
  return true;
}

// Each part is on its way before the next is asked for (PEP 3333), except the one that completes
// the declared length: it waits for the end of the iteration and goes out with it.
bool WsgiCall::send_each(PyObject* result) {
  Ref iterator = Ref::steal(PyObject_GetIter(result));
  if (!iterator) return false;
  const bool is_file = is_file_wrapper(state_, result);
  const bool wrote_too_much = wrong_length_;  // by write(), which no file makes right
  for (;;) {
    post_.let_go();
    Ref item = Ref::steal(PyIter_Next(iterator.get()));
    if (!item) break;
    std::string_view part;
    if (!body_part(item.get(), part)) return false;
    if (part.empty()) continue;
    if (!end_head(-1) || !fit_length(part)) return false;
    // Where nothing more will be sent nothing more is asked for.
    if (head_.framing() == ResponseFraming::none || client_gone_) break;
    const std::int64_t declared = head_.content_length();
    if (declared >= 0 && body_bytes_ == static_cast<std::uint64_t>(declared)) {
      if (!part.empty()) parts_.push_back(part);
      held_.push_back(std::move(item));
      if (is_file) wrong_length_ = wrote_too_much;  // of the file itself a range was asked for
      if (is_file || wrong_length_) break;
    } else if (!send(part, Exchange::More::follows)) {
      return false;
    }
  }
  if (PyErr_Occurred()) return false;
  return end_head(0);
}

bool WsgiCall::send(std::string_view part, Exchange::More more) {
  if (client_gone_) return true;
  if (!hold()) return false;
  interp::Detached detached(attached_);
  const std::string_view parts[] = {part};
  client_gone_ = exchange().send(head_, parts, more) == http::Sent::gone;
  post_.let_go();  // to wait for the GIL is the application's time again
  return true;
}

void WsgiCall::finish() {
  if (!post_.hold()) return;
  const std::int64_t declared = head_.content_length();
  const bool framed = head_.framing() == ResponseFraming::length && declared >= 0;
  const bool cut_short = framed && body_bytes_ < static_cast<std::uint64_t>(declared);
  if (cut_short || wrong_length_) {
    log_.warning(
        402,
        cut_short
            ? "the application sent less than its Content-Length; the connection is closed"
            : "the application sent more than its Content-Length; the rest is dropped and the "
              "connection is closed",
        {{"path", exchange().request().path},
         {"request_id", exchange().request().request_id},
         {"content_length", declared}});
  }
  if (has_close()) post_.remember();
  const bool keep = head_.keep_alive() && !cut_short && !wrong_length_;
  auto at_once = Exchange::AtOnce::no;
  if (keep && !client_gone_ && !file_.fd)
    at_once = gil_ == Gil::own ? exchange().try_respond_at_once(head_, parts_)
                               : exchange().try_hold_back(head_, parts_);
  if (at_once == Exchange::AtOnce::finished) return;
  interp::Detached detached(attached_);
  if (at_once == Exchange::AtOnce::no && !client_gone_) {
    const http::Sent sent = file_.fd ? exchange().send_file(head_, std::move(file_))
                                     : exchange().send(head_, parts_, Exchange::More::last);
    client_gone_ = sent == http::Sent::gone;
  }
  exchange().finish(head_.status(),
                    keep && !client_gone_ ? Exchange::After::keep : Exchange::After::close);
}

// The application raised, or broke the protocol. Before the first byte the client gets a 500; after
// it the connection ends. Nothing of that when its time is over.
void WsgiCall::fail() {
  post_.shield(attached_);
  const PythonError error = take_python_error(attached_);
  parts_.clear();
  if (!post_.hold()) return post_.note_ending(error.summary);
  const http::Request& request = exchange().request();
  log_.error(401,
             "the application raised; the client gets a 500, or a cut response if it had begun",
             {{"method", request.method},
              {"path", request.path},
              {"request_id", request.request_id},
              {"error", error.summary},
              {"traceback", error.traceback}});
  interp::Detached detached(attached_);
  exchange().fail(500, "Internal Server Error\n");
}

bool WsgiCall::has_close() const {
  return result_ && !PyList_CheckExact(result_.get()) && !PyTuple_CheckExact(result_.get());
}

// PEP 3333: close() is called whatever happened, after the response.
void WsgiCall::close_result() {
  held_.clear();
  PyObject* close = nullptr;
  if (has_close()) {
    post_.let_go();
    post_.unshield();
    PyObject_GetOptionalAttr(result_.get(), state_.close_name, &close);
  }
  if (close != nullptr) {
    Ref owned = Ref::steal(close);
    Ref closed = Ref::steal(PyObject_CallNoArgs(close));
  }
  if (PyErr_Occurred()) {
    post_.shield(attached_);
    const PythonError error = take_python_error(attached_);
    if (!post_.hold()) return post_.note_ending(error.summary), result_.reset();
    log_.error(403, "close() of a response raised; the response itself was sent",
               {{"error", error.summary}, {"traceback", error.traceback}});
  }
  result_.reset();
}

}  // namespace corral::gateway
