#include <algorithm>

#include "base/check.h"
#include "http/head_finder.h"
#include "reading.h"

namespace corral::fuzz {
namespace {

using http::BodyFraming;
using http::ChunkedDecoder;
using http::HeadFinder;

class Reader {
 public:
  explicit Reader(const HttpLimits& limits) : limits_(limits), finder_(limits), chunked_(limits) {}

  void take(std::string_view bytes) {
    input_.append(bytes);
    while (reading_.end == End::waits && (in_body_ ? read_body() : read_head())) {
    }
  }
  Reading give() { return std::move(reading_); }

 private:
  bool refuse(const http::Refusal& refusal) {
    reading_.end = End::refuses;
    reading_.reason = refusal.reason;
    return false;
  }

  // Both are false when they need more bytes, or nothing may follow.
  bool read_head();
  bool read_body();
  bool finish();

  const HttpLimits limits_;
  HeadFinder finder_;
  ChunkedDecoder chunked_;
  std::string input_;
  http::Request request_;
  std::string body_, body_wire_;
  bool in_body_ = false;
  Reading reading_;
};

bool Reader::read_head() {
  const HeadFinder::State state = finder_.find(input_);
  if (state == HeadFinder::State::refused) return refuse(finder_.refusal());
  if (state == HeadFinder::State::more) return false;
  request_.reset();
  request_.head = input_.substr(0, finder_.head_bytes());
  input_.erase(0, finder_.head_bytes());
  finder_.reset();
  if (const http::Refusal refusal = http::parse_head(request_, limits_)) return refuse(refusal);
  if (request_.content_length > limits_.body_bytes_max)
    return refuse({413, "the body is larger than the limit", Limit::body_bytes});
  body_.clear();
  body_wire_.clear();
  chunked_.reset();
  in_body_ = true;
  return true;
}

bool Reader::read_body() {
  if (request_.framing == BodyFraming::chunked) {
    const ChunkedDecoder::Step step = chunked_.decode(input_, body_);
    body_wire_.append(input_, 0, step.consumed);
    input_.erase(0, step.consumed);
    if (step.state == ChunkedDecoder::State::refused) return refuse(chunked_.refusal());
    if (step.state == ChunkedDecoder::State::more) return false;
    chunked_.give_trailers(request_);
    return finish();
  }
  const std::size_t used =
      std::min<std::uint64_t>(request_.content_length - body_.size(), input_.size());
  body_.append(input_, 0, used);
  input_.erase(0, used);
  return body_.size() == request_.content_length && finish();
}

std::vector<Field> copy_fields(const std::vector<http::Header>& headers) {
  std::vector<Field> fields;
  for (const http::Header& header : headers)
    fields.push_back({std::string(header.name), std::string(header.value)});
  return fields;
}

// The target before an absolute-form's scheme and authority were cut off; a path of "/" or "*" that
// stands for nothing was not there.
std::string_view find_whole_target(const http::Request& request) {
  const char* const begin = request.method.data() + request.method.size() + 1;
  const std::string_view rest(begin, request.head.data() + request.head.size() - begin);
  const std::string_view whole = rest.substr(0, rest.find(' '));
  CORRAL_CHECK(whole.ends_with(request.target.substr(1)), "a target from elsewhere");
  return whole;
}

bool Reader::finish() {
  reading_.messages.push_back({std::string(request_.method),
                               std::string(find_whole_target(request_)), request_.version_minor,
                               copy_fields(request_.headers), copy_fields(request_.trailers), body_,
                               request_.keep_alive, request_.head + body_wire_});
  in_body_ = false;
  if (!request_.keep_alive) reading_.end = End::closes;
  return request_.keep_alive && !input_.empty();
}

}  // namespace

Reading read_as_corral(std::string_view bytes, const HttpLimits& limits, std::size_t step_bytes) {
  Reader reader(limits);
  for (; !bytes.empty(); bytes.remove_prefix(std::min(step_bytes, bytes.size())))
    reader.take(bytes.substr(0, step_bytes));
  return reader.give();
}

}  // namespace corral::fuzz
