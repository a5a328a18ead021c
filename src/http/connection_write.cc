// Response to bytes: sending, keeping what the socket does not take, ending.
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "base/check.h"
#include "http/access_log.h"
#include "http/connection.h"
#include "http/response.h"
#include "http/server.h"

namespace corral::http {
namespace {

constexpr Milliseconds kLingerMs = 2'000;

// A response up to this size is copied together rather than written in parts. With what was held
// back before it, so much is always kept: nobody waits for a client.
constexpr std::size_t kAtOnceBytesMax = Outbox::kAlwaysKeptBytes;

// What is left when so many bytes are gone.
std::span<iovec> without_first(std::span<iovec> parts, std::size_t bytes) {
  while (!parts.empty() && bytes >= parts[0].iov_len) {
    bytes -= parts[0].iov_len;
    parts = parts.subspan(1);
  }
  if (bytes > 0)
    parts[0] = to_iovec(
        std::string_view(static_cast<char*>(parts[0].iov_base), parts[0].iov_len).substr(bytes));
  return parts;
}

// Parts of one write besides a head and the framing of a chunk.
constexpr std::size_t kPartsPerWrite = Outbox::kPartsMax - 4;

// A client that takes as fast as it is sent to must not keep the others waiting ...
constexpr std::size_t kFlushBytesPerTurn = 1024 * 1024;
// ... nor a worker for long.
constexpr std::size_t kFileBytesByWorker = 8 * 1024 * 1024;

}  // namespace

Connection::Next Connection::refuse(const Refusal& refusal) {
  add_one(server_.counters().refused);
  if (refusal.limit != Limit::none) note(refusal.limit);
  server_.log().debug(
      "request refused",
      {{"status", refusal.status}, {"reason", refusal.reason}, {"client", peer_.host}});
  stage_ = Stage::responding;
  std::string body(reason_phrase(refusal.status));
  body += ": ";
  body += refusal.reason;
  body += '\n';
  return answer(refusal.status,
                plain_response(refusal.status, body, own_lines({}), false, server_.server_line()),
                false);
}

// A complete response of the server's own, by any thread: it never waits.
Connection::Next Connection::answer(int status, std::string_view response, bool keep) {
  iovec part = to_iovec(response);
  response_started_ = true;
  body_bytes_ = response.size() - (response.find("\r\n\r\n") + 4);
  if (!try_write(part)) return Next::closed;
  return response_done(status, keep);
}

// Whether a response of the server's own may leave the connection open. Not in HTTP/1.0, where
// keeping must be announced.
bool Connection::may_keep() const {
  return request_.keep_alive && request_.version_minor >= 1 && !server_.draining() &&
         !is_last_request();
}

bool Connection::is_last_request() const {
  const std::size_t requests_max = server_.limits().keep_alive_requests_max;
  return requests_max > 0 && requests_ >= requests_max;
}

// The same for an accepted request: its connection goes on if the client wants that. A HEAD gets no
// body, or its bytes would be read as the next response.
Connection::Next Connection::answer_plainly(int status, std::string_view body,
                                            std::string_view extra_headers) {
  const bool keep = may_keep();
  if (request_.method == "HEAD") body = {};
  return answer(status,
                plain_response(status, body, own_lines(extra_headers), keep, server_.server_line()),
                keep);
}

// What a response of the server's own has besides what each has.
std::string Connection::own_lines(std::string_view extra_headers) const {
  std::string lines(extra_headers);
  append_request_id(lines, request_);
  return lines;
}

// In place of a response, or of its rest.
Connection::Next Connection::answer_failure(int status, std::string_view body,
                                            std::string_view extra_headers) {
  if (!response_started_) return answer_plainly(status, body, extra_headers);
  if (server_.log().access_enabled()) log_access(status);
  return abort_response();
}

// On a thread that neither polls nor takes requests: what comes next is the poller's.
void Connection::expire() {
  add_one(server_.counters().of(Limit::request_time));
  const Next next = answer_failure(504, "the request took too long\n", {});
  server_.post([this, next] { go_on_after(next); });
}

Sent Connection::send(const ResponseHead& head, std::span<const std::string_view> parts,
                      bool last) {
  unshare_outbox();
  std::array<iovec, Outbox::kPartsMax> out;
  std::size_t used = 0, bytes = 0;
  const auto add = [&](std::string_view part) {
    if (part.empty()) return;
    out[used++] = to_iovec(part);
    bytes += part.size();
  };
  if (!response_started_) add(head.bytes());
  response_started_ = true;
  ends_by_close_ = head.framing() == ResponseFraming::close;
  if (head.framing() == ResponseFraming::none) parts = {};
  const bool chunked = head.framing() == ResponseFraming::chunked;
  for (;;) {
    const auto now = parts.first(std::min(parts.size(), kPartsPerWrite));
    parts = parts.subspan(now.size());
    std::uint64_t size = 0;
    for (std::string_view part : now) size += part.size();
    ChunkHead chunk_head;
    if (chunked && size > 0) add(chunk_head.write(size));
    for (std::string_view part : now) add(part);
    if (chunked && size > 0) add("\r\n");
    if (chunked && last && parts.empty()) add("0\r\n\r\n");
    body_bytes_ += size;
    if (used > 0 && write_parts({out.data(), used}, bytes) == Sent::gone) return Sent::gone;
    used = bytes = 0;
    if (parts.empty()) break;
  }
  if (!last && !outbox_.empty()) share_outbox();
  return Sent::yes;
}

Sent Connection::send_file(const ResponseHead& head, FilePart file) {
  CORRAL_CHECK(head.framing() == ResponseFraming::length, "a file is sent with its length");
  unshare_outbox();
  body_bytes_ += file.size;
  if (!response_started_) {
    response_started_ = true;
    ends_by_close_ = false;
    iovec part = to_iovec(head.bytes());
    const ssize_t count = outbox_.send_now(fd_.get(), {&part, 1}, Outbox::Behind::file);
    if (count < 0) return give_up();
    const std::string_view rest = head.bytes().substr(static_cast<std::size_t>(count));
    part = to_iovec(rest);
    if (!rest.empty() && !outbox_.try_keep({&part, 1}, rest.size(), outbox_room()))
      return give_up();
  }
  outbox_.keep_file(std::move(file));
  switch (outbox_.flush(fd_.get(), kFileBytesByWorker)) {
    case Outbox::Flush::failed:
      return give_up();
    case Outbox::Flush::file_cut:
      log_cut_file();
      return give_up();
    case Outbox::Flush::done:
    case Outbox::Flush::blocked:
    case Outbox::Flush::more:
      break;
  }
  return Sent::yes;
}

// What is copied together is written faster than in parts, up to a size.
Exchange::AtOnce Connection::respond_at_once(const ResponseHead& head,
                                             std::span<const std::string_view> parts) {
  if (try_hold_back(head, parts)) return Exchange::AtOnce::sent;
  unshare_outbox();
  if (response_started_ || head.framing() == ResponseFraming::chunked) return Exchange::AtOnce::no;
  if (head.framing() == ResponseFraming::none) parts = {};
  std::size_t size = head.bytes().size();
  for (std::string_view part : parts) size += part.size();
  if (outbox_.size() + size > kAtOnceBytesMax) return Exchange::AtOnce::no;
  char response[kAtOnceBytesMax];
  char* end = std::ranges::copy(head.bytes(), response).out;
  for (std::string_view part : parts) end = std::ranges::copy(part, end).out;
  response_started_ = true;
  ends_by_close_ = head.framing() == ResponseFraming::close;
  body_bytes_ = size - head.bytes().size();
  iovec whole{response, size};
  if (write_parts({&whole, 1}, size) == Sent::gone) gave_up_ = true;
  const bool is_all = head.keep_alive() && !gave_up_ && outbox_.empty() && input_.empty() &&
                      !may_be_unread() && !server_.log().access_enabled();
  if (!is_all) return Exchange::AtOnce::sent;
  response_done(head.status(), true);
  if (!try_let_go()) settle(Next::again);
  return Exchange::AtOnce::finished;
}

Sent Connection::send_interim(std::string_view bytes) {
  iovec part = to_iovec(bytes);
  const Sent sent = write_parts({&part, 1}, bytes.size());
  if (sent == Sent::yes && !outbox_.empty()) share_outbox();
  return sent;
}

Sent Connection::write_parts(std::span<iovec> parts, std::size_t bytes) {
  unshare_outbox();
  const ssize_t count = outbox_.send_now(fd_.get(), parts);
  if (count < 0) return Sent::gone;
  const auto taken = static_cast<std::size_t>(count);
  if (taken == bytes) return Sent::yes;
  parts = without_first(parts, taken);
  if (outbox_.try_keep(parts, bytes - taken, outbox_room())) return Sent::yes;
  return wait_for_client(parts, bytes - taken);
}

// The same without a wait for the client: one that has left so much that this finds no room behind
// it is given up.
bool Connection::try_write(iovec part) {
  unshare_outbox();
  const ssize_t count = outbox_.send_now(fd_.get(), {&part, 1});
  if (count < 0) return false;
  const auto taken = static_cast<std::size_t>(count);
  const std::span<iovec> rest = without_first({&part, 1}, taken);
  if (rest.empty() || outbox_.try_keep(rest, rest[0].iov_len, outbox_room())) return true;
  note(Limit::unsent_bytes);
  return false;
}

Outbox::Room Connection::outbox_room() const {
  return {server_.limits().unsent_bytes_max, server_.unsent_budget(), server_.blocks(),
          server_.unsent_files_budget(), server_.options().body_folder};
}

// More is unsent than may be kept: the producer waits here until the client has taken enough.
Sent Connection::wait_for_client(std::span<iovec> parts, std::size_t bytes) {
  note(Limit::unsent_bytes);
  begin_write_time();
  for (;;) {
    set_deadline(server_.limits().write_stall_max_ms);
    const bool is_writable = net::wait_writable(fd_.get(), server_.limits().write_stall_max_ms);
    const Milliseconds now_ms = monotonic_ms();
    const bool is_too_slow = is_write_too_slow(now_ms);
    if (is_writable && !is_too_slow) {
      const ssize_t count = outbox_.send_now(fd_.get(), parts);
      if (count < 0) return give_up();
      parts = without_first(parts, static_cast<std::size_t>(count));
      bytes -= static_cast<std::size_t>(count);
      if (bytes == 0 || outbox_.try_keep(parts, bytes, outbox_room())) return Sent::yes;
      continue;
    }
    if (is_too_slow) {
      note(Limit::write_rate);
    } else if (now_ms >= deadline_ms_) {
      note(Limit::write_stall);
    }
    return give_up();
  }
}

Sent Connection::give_up() {
  gave_up_ = true;
  return Sent::gone;
}

Connection::Next Connection::continue_writing() {
  const std::uint64_t before = outbox_.taken_bytes();
  switch (outbox_.flush(fd_.get(), kFlushBytesPerTurn)) {
    case Outbox::Flush::failed:
      return Next::closed;
    case Outbox::Flush::file_cut:
      log_cut_file();
      return linger();
    case Outbox::Flush::more:
      set_deadline(server_.limits().write_stall_max_ms);
      return Next::again;
    case Outbox::Flush::blocked:
      if (outbox_.taken_bytes() > before) set_deadline(server_.limits().write_stall_max_ms);
      return Next::wait;
    case Outbox::Flush::done:
      break;
  }
  if (close_after_write_) return linger();
  stage_ = Stage::idle;
  set_deadline(server_.limits().keep_alive_max_ms);
  return read_and_proceed();
}

// A file of the application's was made shorter while it was sent: nothing can take the place of
// what is missing, so the connection ends, and the client can tell by the Content-Length.
void Connection::log_cut_file() {
  server_.log().warning(
      304, "a file became shorter while it was sent; the connection is closed",
      {{"target", request_.target}, {"client", peer_.host}, {"request_id", request_.request_id}});
}

Connection::Next Connection::begin_writing(bool keep) {
  stage_ = Stage::writing;
  close_after_write_ = !keep;
  begin_write_time();
  return outbox_.is_blocked() ? Next::wait : Next::again;
}

Connection::Next Connection::response_done(int status, bool keep) {
  if (server_.log().access_enabled()) log_access(status);
  if (gave_up_) return Next::closed;
  if (!is_held_back_ || !keep) {
    unshare_outbox();
    if (!outbox_.empty()) return begin_writing(keep);
    if (!keep) return linger();
  }
  stage_ = Stage::idle;
  set_deadline(server_.limits().keep_alive_max_ms);
  return Next::wait;
}

// The response cannot be completed: the client must see it cut short, so nothing more is sent and
// the connection ends. Where its end is what completes a body, only a reset tells the difference.
Connection::Next Connection::abort_response() {
  if (gave_up_) return Next::closed;
  if (ends_by_close_) {
    const ::linger reset{1, 0};
    ::setsockopt(fd_.get(), SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    return Next::closed;
  }
  unshare_outbox();
  return outbox_.empty() ? linger() : begin_writing(false);
}

Connection::Next Connection::linger() {
  stage_ = Stage::lingering;
  input_.clear();
  input_.shrink_to_fit();
  if (::shutdown(fd_.get(), SHUT_WR) != 0) return Next::closed;
  set_deadline(kLingerMs);
  return discard_input();
}

void Connection::log_access(int status) {
  AccessRecord record;
  record.client = peer_.host;
  record.method = request_.method;
  record.target = request_.target;
  record.version_minor = request_.version_minor;
  record.status = status;
  record.response_bytes = body_bytes_;
  record.duration_us = (monotonic_ns() - request_.started_ns) / 1000;
  if (const Header* header = request_.find(HeaderId::referer)) record.referer = header->value;
  if (const Header* header = request_.find(HeaderId::user_agent)) record.user_agent = header->value;
  record.request_id = request_.request_id;
  server_.log().access(format_access(record, server_.log().format()));
}

}  // namespace corral::http
