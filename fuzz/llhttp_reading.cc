#include <llhttp/llhttp.h>

#include "http/bytes.h"
#include "reading.h"

namespace corral::fuzz {
namespace {

// Gathers what the callbacks bring; llhttp_t::data points to it.
class Listener {
 public:
  static llhttp_settings_t settings() {
    llhttp_settings_t settings;
    llhttp_settings_init(&settings);
    settings.on_message_begin = [](llhttp_t* parser) { return of(parser).begin(); };
    settings.on_url = [](llhttp_t* parser, const char* at, std::size_t size) {
      of(parser).message_.target.append(at, size);
      return 0;
    };
    settings.on_header_field = [](llhttp_t* parser, const char* at, std::size_t size) {
      of(parser).field_.name.append(at, size);
      return 0;
    };
    settings.on_header_value = [](llhttp_t* parser, const char* at, std::size_t size) {
      of(parser).field_.value.append(at, size);
      return 0;
    };
    settings.on_header_value_complete = [](llhttp_t* parser) { return of(parser).end_field(); };
    settings.on_headers_complete = [](llhttp_t* parser) { return of(parser).end_head(parser); };
    settings.on_body = [](llhttp_t* parser, const char* at, std::size_t size) {
      of(parser).message_.body.append(at, size);
      return 0;
    };
    settings.on_message_complete = [](llhttp_t* parser) { return of(parser).end(parser); };
    return settings;
  }

  Reading reading;

 private:
  static Listener& of(llhttp_t* parser) { return *static_cast<Listener*>(parser->data); }

  int begin() {
    message_ = {};
    field_ = {};
    in_trailers_ = false;
    return 0;
  }
  int end_field() {
    field_.value = http::trim_blanks(field_.value);
    (in_trailers_ ? message_.trailers : message_.fields).push_back(std::move(field_));
    field_ = {};
    return 0;
  }
  int end_head(llhttp_t* parser) {
    message_.method = llhttp_method_name(static_cast<llhttp_method_t>(parser->method));
    message_.version_minor = parser->http_minor;
    in_trailers_ = true;
    // Corral speaks nothing it could change to, and goes on as if nobody had asked.
    parser->upgrade = 0;
    return 0;
  }
  int end(llhttp_t* parser) {
    message_.keep_alive = llhttp_should_keep_alive(parser) != 0;
    if (!message_.keep_alive) reading.end = End::closes;
    reading.messages.push_back(std::move(message_));
    return 0;
  }

  Message message_;
  Field field_;
  bool in_trailers_ = false;
};

}  // namespace

Reading read_as_llhttp(std::string_view bytes) {
  static const llhttp_settings_t settings = Listener::settings();
  Listener listener;
  llhttp_t parser;
  llhttp_init(&parser, HTTP_REQUEST, &settings);
  parser.data = &listener;
  const llhttp_errno_t error = llhttp_execute(&parser, bytes.data(), bytes.size());
  if (error != HPE_OK && error != HPE_CLOSED_CONNECTION) {
    listener.reading.end = End::refuses;
    listener.reading.reason = llhttp_errno_name(error);
  }
  return std::move(listener.reading);
}

}  // namespace corral::fuzz
