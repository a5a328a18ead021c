#include "gateway/environ.h"

#include <cstring>

#include "gateway/early_hints.h"
#include "gateway/input.h"
#include "http/parser.h"

namespace corral::gateway {
namespace {

using http::HeaderId;
using interp::Ref;

// Distinct unknown header names remembered per worker; a client that invents names cannot make it
// grow.
constexpr std::size_t kOtherKeysMax = 256;

constexpr const char* kNames[] = {
    "REQUEST_METHOD",  "PATH_INFO",      "QUERY_STRING", "RAW_URI",           "REQUEST_URI",
    "SERVER_PROTOCOL", "SERVER_NAME",    "SERVER_PORT",  "REMOTE_ADDR",       "REMOTE_PORT",
    "CONTENT_TYPE",    "CONTENT_LENGTH", "HTTP_COOKIE",  "HTTP_X_REQUEST_ID", "wsgi.input"};

constexpr const char* kMethods[] = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"};

Ref latin1(std::string_view text) {
  return Ref::steal(
      PyUnicode_DecodeLatin1(text.data(), static_cast<Py_ssize_t>(text.size()), nullptr));
}

Ref interned(const char* text) { return Ref::steal(PyUnicode_InternFromString(text)); }

// These are not passed on: the body's framing is the server's business and is told by
// CONTENT_LENGTH, and a Proxy header would become HTTP_PROXY, which many programs take for
// configuration ("httpoxy"). The request's id is there already.
bool is_withheld(const http::Header& header) {
  if (header.id == HeaderId::content_length || header.id == HeaderId::transfer_encoding ||
      header.id == HeaderId::x_request_id) {
    return true;
  }
  return header.id == HeaderId::other && header.name.size() == 5 &&
         environ_name(header.name) == "HTTP_PROXY";
}

}  // namespace

std::string environ_name(std::string_view header_name) {
  std::string name = "HTTP_";
  for (char c : header_name) {
    name += c == '-' ? '_' : (c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c);
  }
  return name;
}

bool EnvironBuilder::prepare(interp::Attached& attached, const GuestState& state,
                             const Options& options) {
  static_assert(std::size(kNames) == name_count);
  for (std::size_t index = 0; index < name_count; ++index) {
    names_[index] = interned(kNames[index]);
    if (!names_[index]) return false;
  }
  empty_input_ = make_input(attached, state, {});
  if (!make_template(attached, state, options)) return false;
  for (std::size_t index = 1; index < header_keys_.size(); ++index) {
    header_keys_[index] =
        interned(environ_name(http::header_name(static_cast<HeaderId>(index))).c_str());
    if (!header_keys_[index]) return false;
  }
  header_keys_[static_cast<std::size_t>(HeaderId::content_type)] =
      Ref::borrow(names_[content_type].get());
  for (const char* method : kMethods) {
    if (!(methods_[method] = interned(method))) return false;
  }
  http_1_0_ = interned("HTTP/1.0");
  return static_cast<bool>(http_1_0_);
}

// Every key that each environ has, with its commonest value: a copy of the template is made in one
// go, and what is left to do replaces values. A dict of more than kSmallDictKeys has room for the
// headers of most requests.
bool EnvironBuilder::make_template(interp::Attached& attached, const GuestState& state,
                                   const Options& options) {
  constexpr int kSmallDictKeys = 21;
  template_ = Ref::steal(PyDict_New());
  if (!template_) return false;
  PyObject* dict = template_.get();
  const auto add = [dict](const char* key, Ref value) {
    return value && PyDict_SetItemString(dict, key, value.get()) == 0;
  };
  const auto flag = [](bool value) { return Ref::steal(PyBool_FromLong(value)); };
  PyObject* errors = PySys_GetObject("stderr");  // borrowed
  if (!add("wsgi.version", Ref::steal(Py_BuildValue("(ii)", 1, 0))) ||
      !add("wsgi.url_scheme", interned("http")) ||
      !add("wsgi.errors", Ref::borrow(errors != nullptr ? errors : Py_None)) ||
      !add("wsgi.multithread", flag(options.multithread)) ||
      !add("wsgi.multiprocess", flag(options.multiprocess)) || !add("wsgi.run_once", flag(false)) ||
      !add("wsgi.input_terminated", flag(true)) ||
      !add("wsgi.early_hints", make_early_hints(attached)) ||
      !add("wsgi.file_wrapper",
           Ref::borrow(reinterpret_cast<PyObject*>(state.file_wrapper_type))) ||
      !add("SCRIPT_NAME", interned("")) || !add("SERVER_SOFTWARE", interned("corral")) ||
      !set(dict, request_method, "GET") || !set(dict, path_info, "/") ||
      !set(dict, query_string, "") || !set(dict, raw_uri, "/") || !set(dict, request_uri, "/") ||
      !set(dict, server_protocol, "HTTP/1.1") || !set(dict, server_name, "") ||
      !set(dict, http_x_request_id, "") || !set(dict, server_port, "") ||
      !set(dict, remote_addr, "") || !set(dict, remote_port, "") || !empty_input_ ||
      !put(dict, wsgi_input, empty_input_.get())) {
    return false;
  }
  std::vector<std::string> fillers;
  while (PyDict_GET_SIZE(dict) <= kSmallDictKeys) {
    fillers.push_back("filler" + std::to_string(fillers.size()));
    if (!add(fillers.back().c_str(), Ref::borrow(Py_None))) return false;
  }
  for (const std::string& filler : fillers) {
    if (PyDict_DelItemString(dict, filler.c_str()) != 0) return false;
  }
  return true;
}

void EnvironBuilder::clear(interp::Attached&) {
  template_.reset();
  empty_input_.reset();
  for (Ref& name : names_) name.reset();
  for (Ref& key : header_keys_) key.reset();
  other_keys_.clear();
  methods_.clear();
  http_1_0_.reset();
  servers_.clear();
  last_client_name_.reset();
  for (Port& port : ports_) port.text.reset();
}

Ref EnvironBuilder::build(interp::Attached& attached, const GuestState& state,
                          http::Exchange& exchange) {
  http::Request& request = exchange.request();
  Ref environ = Ref::steal(PyDict_Copy(template_.get()));
  if (!environ) return {};
  PyObject* dict = environ.get();
  if (!add_line(dict, request) || !add_server(dict, exchange) || !add_client(dict, exchange) ||
      !add_request_id(dict, request) || !add_headers(dict, request)) {
    return {};
  }
  if (request.framing == http::BodyFraming::none) return environ;
  // Also for a chunked body: its size is known by now, and Django reads no more than CONTENT_LENGTH
  // says.
  if (!set(dict, content_length, std::to_string(request.body.size))) return {};
  Ref input = make_input(attached, state, std::move(request.body));
  if (!input || !put(dict, wsgi_input, input.get())) return {};
  if (!request.trailers.empty() && !add_trailers(dict, request)) return {};
  return environ;
}

// A tuple of (name as sent, value). Not among the headers: those have been acted upon by now,
// perhaps by somebody in front who never saw these (RFC 9110 section 6.5.1).
bool EnvironBuilder::add_trailers(PyObject* environ, const http::Request& request) {
  Ref all = Ref::steal(PyTuple_New(static_cast<Py_ssize_t>(request.trailers.size())));
  if (!all) return false;
  Py_ssize_t place = 0;
  for (const http::Header& trailer : request.trailers) {
    Ref name = latin1(trailer.name), value = latin1(trailer.value);
    PyObject* pair = name && value ? PyTuple_Pack(2, name.get(), value.get()) : nullptr;
    if (pair == nullptr) return false;
    PyTuple_SET_ITEM(all.get(), place++, pair);
  }
  return PyDict_SetItemString(environ, "corral.trailers", all.get()) == 0;
}

bool EnvironBuilder::put(PyObject* environ, Name name, PyObject* value) {
  return PyDict_SetItem(environ, names_[name].get(), value) == 0;
}

bool EnvironBuilder::set(PyObject* environ, Name name, std::string_view text) {
  Ref value = latin1(text);
  return value && put(environ, name, value.get());
}

// The request line. What is as in the template is there already.
bool EnvironBuilder::add_line(PyObject* environ, const http::Request& request) {
  if (request.method != "GET") {
    const auto known = methods_.find(std::string(request.method));
    if (known != methods_.end() ? !put(environ, request_method, known->second.get())
                                : !set(environ, request_method, request.method)) {
      return false;
    }
  }
  if (request.version_minor == 0 && !put(environ, server_protocol, http_1_0_.get())) return false;
  if (!request.query.empty() && !set(environ, query_string, request.query)) return false;
  if (request.target == "/") return true;
  Ref target = latin1(request.target);
  if (!target || !put(environ, raw_uri, target.get()) || !put(environ, request_uri, target.get()))
    return false;
  if (request.path == request.target) return put(environ, path_info, target.get());
  return set(environ, path_info, request.path);
}

// PEP 3333: neither may ever be empty, and a unix socket has no such address. Sites then go by the
// Host header.
bool EnvironBuilder::add_server(PyObject* environ, const http::Exchange& exchange) {
  const std::string_view host = exchange.server_host();
  const std::uint16_t port = exchange.server_port();
  for (const Server& server : servers_) {
    if (server.host == host.data() && server.port == port)
      return put(environ, server_name, server.name.get()) &&
             put(environ, server_port, server.number.get());
  }
  const bool is_unix = host.empty();
  Server& server = servers_.emplace_back();
  server.host = host.data();
  server.port = port;
  server.name = latin1(is_unix ? "localhost" : host);
  server.number = latin1(std::to_string(is_unix ? 80 : port));
  if (server.name && server.number) return add_server(environ, exchange);
  servers_.pop_back();
  return false;
}

bool EnvironBuilder::add_client(PyObject* environ, const http::Exchange& exchange) {
  if (!last_client_name_ || last_client_ != exchange.peer_host()) {
    last_client_ = exchange.peer_host();
    last_client_name_ = latin1(last_client_);
  }
  PyObject* port = find_port(exchange.peer_port());
  return last_client_name_ && port != nullptr &&
         put(environ, remote_addr, last_client_name_.get()) && put(environ, remote_port, port);
}

PyObject* EnvironBuilder::find_port(std::uint16_t number) {
  Port& port = ports_[number % ports_.size()];
  if (!port.text || port.number != number) {
    port.number = number;
    port.text = latin1(std::to_string(number));
  }
  return port.text.get();
}

// ASCII in any case (http/request_id.h).
bool EnvironBuilder::add_request_id(PyObject* environ, const http::Request& request) {
  const std::string_view id = request.request_id;
  if (id.empty()) return true;  // PyUnicode_New would return the shared empty str
  Ref text = Ref::steal(PyUnicode_New(static_cast<Py_ssize_t>(id.size()), 0x7f));
  if (!text) return false;
  std::memcpy(PyUnicode_1BYTE_DATA(text.get()), id.data(), id.size());
  return put(environ, http_x_request_id, text.get());
}

bool EnvironBuilder::add_headers(PyObject* environ, const http::Request& request) {
  for (const http::Header& header : request.headers) {
    if (is_withheld(header)) continue;
    PyObject* key = find_key(header);
    const char* separator = header.id == HeaderId::cookie ? "; " : ",";
    if (key == nullptr || !add_header(environ, key, header.value, separator)) return false;
  }
  return true;
}

// A field sent several times becomes one value (RFC 9110 section 5.2; cookies RFC 6265 section
// 5.4).
bool EnvironBuilder::add_header(PyObject* environ, PyObject* key, std::string_view value,
                                const char* separator) {
  Ref text = latin1(value);
  if (!text) return false;
  const int state = PyDict_SetDefaultRef(environ, key, text.get(), nullptr);
  if (state <= 0) return state == 0;
  PyObject* present = PyDict_GetItemWithError(environ, key);  // borrowed
  if (present == nullptr) return false;
  Ref joined = Ref::steal(PyUnicode_FromFormat("%U%s%U", present, separator, text.get()));
  return joined && PyDict_SetItem(environ, key, joined.get()) == 0;
}

PyObject* EnvironBuilder::find_key(const http::Header& header) {
  if (header.id != HeaderId::other) return header_keys_[static_cast<std::size_t>(header.id)].get();
  std::string name(header.name);
  const auto found = other_keys_.find(name);
  if (found != other_keys_.end()) return found->second.get();
  if (other_keys_.size() >= kOtherKeysMax) other_keys_.clear();
  Ref key = latin1(environ_name(name));
  if (!key) return nullptr;
  return (other_keys_[std::move(name)] = std::move(key)).get();
}

}  // namespace corral::gateway
