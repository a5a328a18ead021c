// Bytes to request: the body, complete before anybody else sees it.
#include <algorithm>
#include <cerrno>

#include "base/temporary_file.h"
#include "http/connection.h"
#include "http/server.h"

namespace corral::http {
namespace {

// No single body takes more of the memory that they share than this part.
constexpr std::size_t kBudgetParts = 8;

// A client that sends as fast as it is read must not keep the others waiting.
constexpr std::size_t kDirectBytesMax = 256 * 1024;
// Less room than this is not worth a read of its own.
constexpr std::size_t kDirectBytesMin = 32 * 1024;

constexpr Refusal kNoRoom{507, "no room for the body"};

}  // namespace

Connection::Next Connection::begin_body() {
  if (request_.framing == BodyFraming::none) return admit();
  if (request_.framing == BodyFraming::length) {
    if (request_.content_length > server_.limits().body_bytes_max) {
      return refuse({413, "the body is larger than the limit", Limit::body_bytes});
    }
    if (request_.content_length == 0) return admit();
  } else {
    chunked_.reset();
  }
  stage_ = Stage::body;
  begin_body_time();
  if (!input_.empty()) return take_body(input_);
  return request_.expects_continue ? invite_body() : Next::wait;
}

// The client waits for leave to send its body (RFC 9110 section 10.1.1). It gets none for a request
// that would only be turned away afterwards.
Connection::Next Connection::invite_body() {
  const dispatch::Admission admission = server_.foresee_admission();
  if (admission != dispatch::Admission::admitted) {
    request_.keep_alive = false;  // the body may come all the same
    return answer_busy(admission);
  }
  constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";
  iovec part{const_cast<char*>(kContinue.data()), kContinue.size()};
  return write_parts({&part, 1}, part.iov_len) == Sent::gone ? Next::closed : Next::wait;
}

// `bytes` are input_ itself, or have just been read while input_ is empty. What is behind the body
// is left in input_.
Connection::Next Connection::take_body(std::string_view bytes) {
  set_deadline(server_.limits().body_idle_max_ms);
  const BodyStep step =
      request_.framing == BodyFraming::length ? take_counted(bytes) : take_chunked(bytes);
  if (bytes.data() == input_.data()) {
    input_.erase(0, step.used);
  } else {
    input_.append(bytes.substr(step.used));
  }
  if (step.refusal) return refuse(step.refusal);
  return step.done ? admit() : Next::wait;
}

Connection::BodyStep Connection::take_counted(std::string_view bytes) {
  Body& body = request_.body;
  const std::size_t used =
      std::min<std::uint64_t>(request_.content_length - body.size, bytes.size());
  if (!prepare_body(used)) return {used, false, kNoRoom};
  body.size += used;
  bytes = bytes.substr(0, used);
  if (body.in_file()) {
    if (!write_body(bytes)) return {used, false, kNoRoom};
  } else {
    body.memory.append(bytes);
  }
  return {used, body.size == request_.content_length, {}};
}

Connection::BodyStep Connection::take_chunked(std::string_view bytes) {
  if (!prepare_body(bytes.size())) return {bytes.size(), false, kNoRoom};
  Body& body = request_.body;
  Buffer decoded;
  if (body.in_file() && !decoded.try_reserve(bytes.size(), server_.blocks()))
    return {bytes.size(), false, kNoRoom};
  Buffer& output = body.in_file() ? decoded : body.memory;
  const std::size_t before = output.size();
  const ChunkedDecoder::Step step = chunked_.decode(bytes, output);
  body.size += output.size() - before;
  if (step.state == ChunkedDecoder::State::refused)
    return {step.consumed, false, chunked_.refusal()};
  if (body.size > server_.limits().body_bytes_max)
    return {step.consumed, false, {413, "the body is larger than the limit", Limit::body_bytes}};
  if (body.in_file() && !write_body(decoded.view())) return {step.consumed, false, kNoRoom};
  if (step.state != ChunkedDecoder::State::done) return {step.consumed, false, {}};
  chunked_.give_trailers(request_);
  return {step.consumed, true, {}};
}

// For so many more bytes at the most: they stay in memory, or everything moves to a file.
bool Connection::prepare_body(std::size_t more) {
  return request_.body.in_file() || prepare_memory(more) || spill_body();
}

bool Connection::prepare_memory(std::size_t more) {
  Body& body = request_.body;
  const std::size_t size = body.memory.size() + more;
  if (size <= body.memory.capacity()) return true;
  const std::size_t common = server_.limits().body_memory_bytes_max;
  const bool counted = request_.framing == BodyFraming::length;
  const std::uint64_t whole = counted ? request_.content_length : 2 * size;
  if (size <= common)
    return body.memory.try_reserve(std::min<std::uint64_t>(whole, common), server_.blocks());
  const std::size_t most = server_.body_budget()->bytes_max() / kBudgetParts;
  // A size is believed only now, when so much of the body has come: declaring it costs nothing.
  const std::uint64_t wanted =
      counted ? whole : std::max(size, std::min<std::uint64_t>(whole, most));
  return wanted <= most && body.share.try_grow(server_.body_budget(), wanted) &&
         body.memory.try_reserve(wanted, server_.blocks());
}

// Where a body of known length can be read to without a copy: into its own memory. Nothing while
// little of it has come, for a file, and for a chunked one.
std::span<char> Connection::body_room() {
  Body& body = request_.body;
  if (stage_ != Stage::body || request_.framing != BodyFraming::length || body.in_file()) return {};
  const std::uint64_t left = request_.content_length - body.size;
  const std::size_t wanted = std::min<std::uint64_t>(left, kDirectBytesMin);
  if (body.memory.room().size() < wanted) {
    const bool has_come = body.memory.size() >= server_.limits().body_memory_bytes_max / 2;
    if (!has_come || !prepare_memory(wanted)) return {};
  }
  const std::span<char> room = body.memory.room();
  return room.first(std::min<std::uint64_t>({left, kDirectBytesMax, room.size()}));
}

// What has been read to there, and what was read behind it, which is nothing before the body is
// complete.
Connection::Next Connection::take_direct(std::size_t bytes, std::string_view behind) {
  set_deadline(server_.limits().body_idle_max_ms);
  Body& body = request_.body;
  body.memory.add(bytes);
  body.size += bytes;
  input_.append(behind);
  return body.size == request_.content_length ? admit() : Next::wait;
}

// From memory into a temporary file, where the rest follows.
bool Connection::spill_body() {
  Body& body = request_.body;
  body.file = open_unlinked_file(server_.options().body_folder);
  if (!body.file) return log_no_room();
  if (!write_body(body.memory.view())) return false;
  body.memory.reset();
  body.share.reset();
  return true;
}

bool Connection::write_body(std::string_view bytes) {
  return write_all(request_.body.file.get(), bytes) || log_no_room();
}

bool Connection::log_no_room() {
  server_.log().error(
      301, "cannot keep a large request body in a temporary file; the request is refused",
      {{"folder", server_.options().body_folder}, {"errno", errno}});
  return false;
}

}  // namespace corral::http
