#include "http/exchange.h"

#include "http/connection.h"
#include "http/response.h"
#include "http/server.h"

namespace corral::http {

Exchange::~Exchange() {
  if (connection_ != nullptr) fail(500, "the request was not answered\n");
}

Request& Exchange::request() const { return connection_->request_; }
std::string_view Exchange::peer_host() const { return connection_->peer_.host; }
std::uint16_t Exchange::peer_port() const { return connection_->peer_.port; }
std::string_view Exchange::server_host() const { return connection_->endpoint_.address.host; }
std::uint16_t Exchange::server_port() const { return connection_->endpoint_.address.port; }
bool Exchange::may_keep() const {
  return !connection_->server_.draining() && !connection_->is_last_request();
}
std::string_view Exchange::server_line() const { return connection_->server_.server_line(); }
std::uint64_t Exchange::body_bytes() const { return connection_->body_bytes_; }
bool Exchange::started() const { return connection_->response_started_; }

Sent Exchange::send(const ResponseHead& head, std::span<const std::string_view> parts, More more) {
  return connection_->send(head, parts, more == More::last);
}

Exchange::AtOnce Exchange::try_respond_at_once(const ResponseHead& head,
                                               std::span<const std::string_view> parts) {
  const AtOnce outcome = connection_->respond_at_once(head, parts);
  if (outcome == AtOnce::finished) connection_ = nullptr;
  return outcome;
}

Exchange::AtOnce Exchange::try_hold_back(const ResponseHead& head,
                                         std::span<const std::string_view> parts) {
  return connection_->try_hold_back(head, parts) ? AtOnce::sent : AtOnce::no;
}

Sent Exchange::send_interim(std::string_view bytes) { return connection_->send_interim(bytes); }

Sent Exchange::send_file(const ResponseHead& head, FilePart file) {
  return connection_->send_file(head, std::move(file));
}

void Exchange::finish(int status, After after) {
  Connection* connection = std::exchange(connection_, nullptr);
  connection->go_on_after(connection->response_done(status, after == After::keep));
}

void Exchange::fail(int status, std::string_view body, std::string_view extra_headers) {
  Connection* connection = std::exchange(connection_, nullptr);
  connection->go_on_after(connection->answer_failure(status, body, extra_headers));
}

void Exchange::expire() { std::exchange(connection_, nullptr)->expire(); }

}  // namespace corral::http
