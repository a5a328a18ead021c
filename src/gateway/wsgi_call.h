// Requests through a WSGI application (PEP 3333), one after the other, on a worker thread's stack:
//
//   environ -> call -> iterate -> send -> finish -> close()
//
// The response is sent while detached. Whatever the application raises, SystemExit and
// KeyboardInterrupt included, ends this request and nothing else.
//
// The request is held (gateway/request_post.h) except while the application runs. Where it cannot
// be held any more its time is over: the client has been answered, and this goes on as if the
// application had raised, without sending anything.
#pragma once

#include <Python.h>

#include <cstdint>
#include <string_view>
#include <vector>

#include "base/log.h"
#include "gateway/early_hints.h"
#include "gateway/environ.h"
#include "gateway/file_wrapper.h"
#include "gateway/guest.h"
#include "gateway/request_post.h"
#include "gateway/start_response.h"
#include "http/exchange.h"
#include "http/response.h"
#include "interp/interpreter.h"

namespace corral::gateway {

class WsgiCall final : public ResponseControl {
 public:
  // Whether other threads may be waiting for this interpreter's GIL: then it is given up for every
  // write. Else not for a small response, which takes the system a microsecond.
  enum class Gil { shared, own };

  WsgiCall(interp::Attached& attached, const GuestState& state, EnvironBuilder& environs,
           PyObject* application, RequestPost& post, Gil gil, Log& log)
      : attached_(attached),
        state_(state),
        environs_(environs),
        application_(application),
        post_(post),
        gil_(gil),
        log_(log) {}

  // The request that the post holds.
  void run();

  bool start(PyObject* status, PyObject* headers, PyObject* exc_info) override;
  bool write(PyObject* bytes) override;
  bool send_hints(PyObject* headers) override;

 private:
  bool call_application();
  bool iterate(PyObject* result);
  bool send_file(FileBody file);
  bool send_sequence(PyObject* result);
  bool send_each(PyObject* result);
  template <typename Add>
  static bool each_header(PyObject* headers, const Add& add);
  bool body_part(PyObject* item, std::string_view& part);
  bool fit_length(std::string_view& part);
  bool end_head(std::int64_t known_length);
  bool send(std::string_view part, http::Exchange::More more);
  void finish();
  void fail();
  bool has_close() const;
  void close_result();
  void begin();
  bool hold();
  http::Exchange& exchange() { return post_.exchange(); }

  interp::Attached& attached_;
  const GuestState& state_;
  EnvironBuilder& environs_;
  PyObject* const application_;  // borrowed from the program
  RequestPost& post_;
  const Gil gil_;
  Log& log_;
  http::ResponseHead head_;
  interp::Ref result_;
  std::vector<std::string_view> parts_;
  std::vector<interp::Ref> held_;  // what parts_ points into
  AnsweringScope answering_{*this};
  http::FilePart file_;  // the rest of the body, instead of parts_
  std::uint64_t body_bytes_ = 0;
  bool head_ended_ = false;
  bool client_gone_ = false;
  bool wrong_length_ = false;
};

}  // namespace corral::gateway
