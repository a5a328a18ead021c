// The WSGI environ of a request (PEP 3333, "environ Variables").
//
// What does not change from request to request is kept in a template per worker; names are interned
// once per interpreter.
#pragma once

#include <Python.h>

#include <array>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "gateway/guest.h"
#include "http/exchange.h"
#include "interp/interpreter.h"
#include "interp/reference.h"

namespace corral::gateway {

class EnvironBuilder {
 public:
  struct Options {
    bool multithread = false;
    bool multiprocess = false;  // another worker may run the same application at the same time
  };

  // Errors leave a Python exception set and return false / an empty Ref.
  bool prepare(interp::Attached& attached, const GuestState& state, const Options& options);
  // Takes the request's body over as wsgi.input.
  interp::Ref build(interp::Attached& attached, const GuestState& state, http::Exchange& exchange);
  void clear(interp::Attached& attached);

 private:
  enum Name : std::size_t {
    request_method,
    path_info,
    query_string,
    raw_uri,
    request_uri,
    server_protocol,
    server_name,
    server_port,
    remote_addr,
    remote_port,
    content_type,
    content_length,
    http_cookie,
    http_x_request_id,
    wsgi_input,
    name_count
  };
  bool make_template(interp::Attached& attached, const GuestState& state, const Options& options);
  bool put(PyObject* environ, Name name, PyObject* value);
  bool set(PyObject* environ, Name name, std::string_view latin1);
  bool add_line(PyObject* environ, const http::Request& request);
  bool add_server(PyObject* environ, const http::Exchange& exchange);
  PyObject* find_port(std::uint16_t number);  // borrowed
  bool add_client(PyObject* environ, const http::Exchange& exchange);
  bool add_request_id(PyObject* environ, const http::Request& request);
  bool add_headers(PyObject* environ, const http::Request& request);
  bool add_trailers(PyObject* environ, const http::Request& request);
  bool add_header(PyObject* environ, PyObject* key, std::string_view value, const char* separator);
  PyObject* find_key(const http::Header& header);  // borrowed

  interp::Ref template_;
  interp::Ref empty_input_;
  std::array<interp::Ref, name_count> names_;
  std::array<interp::Ref, static_cast<std::size_t>(http::HeaderId::count)> header_keys_;
  std::unordered_map<std::string, interp::Ref> other_keys_;  // bounded; by name as sent
  std::unordered_map<std::string, interp::Ref> methods_;
  interp::Ref http_1_0_;
  // One for each listening socket met, by where its host stands and its port.
  struct Server {
    const char* host = nullptr;
    std::uint16_t port = 0;
    interp::Ref name, number;
  };
  std::vector<Server> servers_;
  // Behind a proxy it is always the same.
  std::string last_client_;
  interp::Ref last_client_name_;
  // Of the ports that connections came from; each has one place, which others share.
  struct Port {
    std::uint16_t number = 0;
    interp::Ref text;
  };
  std::array<Port, 64> ports_;
};

// "HTTP_USER_AGENT" for "User-Agent".
std::string environ_name(std::string_view header_name);

}  // namespace corral::gateway
