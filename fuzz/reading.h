// What a party reads in the bytes of a connection: the requests it would answer, in order.
//
// Values without ties to the bytes or to the reader, so that two readings can be compared. For
// tests and fuzzers only; any thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "http/parser.h"

namespace corral::fuzz {

struct Field {
  std::string name, value;  // the value without surrounding white space
  bool operator==(const Field&) const = default;
};

struct Message {
  std::string method, target;  // the target as it stands in the request line
  int version_minor = 1;
  std::vector<Field> fields, trailers;  // in the order sent
  std::string body;
  bool keep_alive = true;
  std::string wire;  // the bytes of its head and body; only by Corral
};

enum class End {
  waits,    // for more bytes
  closes,   // after the last message, as that asked for; bytes behind it mean nothing
  refuses,  // what stands behind the last message
};

struct Reading {
  std::vector<Message> messages;  // the complete ones
  End end = End::waits;
  std::string reason;  // of a refusal
};

// As a connection does it (http/connection_read.cc), without sockets: finder, parser, decoder.
// `step_bytes`: so many bytes at a time.
Reading read_as_corral(std::string_view bytes, const HttpLimits& limits, std::size_t step_bytes);

// llhttp in its strict mode, with nothing lenient.
Reading read_as_llhttp(std::string_view bytes);

}  // namespace corral::fuzz
