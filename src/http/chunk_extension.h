// The grammar of chunk extensions (RFC 9112 section 7.1.1), a byte at a time. What they say is
// ignored, but who reads a malformed one may see its end elsewhere.
#pragma once

#include <cstdint>

#include "http/bytes.h"

namespace corral::http {

class ChunkExtension {
 public:
  // Begins behind the first ';'.
  void begin() { place_ = Place::before_name; }

  // False when the byte cannot stand here. CR is not for it: at the end ask may_end().
  bool take(char byte) {
    switch (place_) {
      case Place::before_name:
        return is_blank(byte) || go(is_in(byte, kTokenByte), Place::name);
      case Place::name:
        return is_in(byte, kTokenByte) || take_after_name(byte);
      case Place::after_name:
        return is_blank(byte) || take_after_name(byte);
      case Place::before_value:
        return is_blank(byte) || go(byte == '"', Place::quoted) ||
               go(is_in(byte, kTokenByte), Place::value);
      case Place::value:
        return is_in(byte, kTokenByte) || take_after_value(byte);
      case Place::quoted:
        return go(byte == '"', Place::quoted_end) || go(byte == '\\', Place::escaped) ||
               is_in(byte, kFieldByte);
      case Place::escaped:
        return go(is_in(byte, kFieldByte), Place::quoted);
      case Place::quoted_end:
      case Place::after_value:
        return take_after_value(byte);
    }
    return false;
  }

  bool may_end() const {
    return place_ == Place::name || place_ == Place::value || place_ == Place::quoted_end;
  }

 private:
  enum class Place : std::uint8_t {
    before_name,
    name,
    after_name,
    before_value,
    value,
    quoted,
    escaped,
    quoted_end,
    after_value
  };

  bool go(bool there, Place place) {
    if (there) place_ = place;
    return there;
  }
  bool take_after_name(char byte) {
    return go(is_blank(byte), Place::after_name) || go(byte == '=', Place::before_value) ||
           go(byte == ';', Place::before_name);
  }
  bool take_after_value(char byte) {
    return go(is_blank(byte), Place::after_value) || go(byte == ';', Place::before_name);
  }

  Place place_ = Place::before_name;
};

}  // namespace corral::http
