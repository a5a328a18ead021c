#include "base/json.h"

#include <charconv>

namespace corral {
namespace {

constexpr std::uint32_t kReplacement = 0xFFFD;

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

int hex_value(char c) {
  if (is_digit(c)) return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// Walks over values. Every skip_ returns false where the text is not JSON.
class Walker {
 public:
  explicit Walker(std::string_view text) : text_(text) {}

  bool at_end() const { return at_ == text_.size(); }
  std::size_t at() const { return at_; }
  std::string_view since(std::size_t start) const { return text_.substr(start, at_ - start); }

  void skip_spaces() {
    while (!at_end() && is_space(text_[at_])) ++at_;
  }
  bool skip(char c) {
    if (at_end() || text_[at_] != c) return false;
    ++at_;
    return true;
  }

  bool skip_value(int depth) {
    if (at_end() || depth > kJsonDepthMax) return false;
    switch (text_[at_]) {
      case '{':
        return skip_container('}', depth, [&] { return skip_member(depth); });
      case '[':
        return skip_container(']', depth, [&] { return skip_value(depth + 1); });
      case '"':
        return skip_string();
      case 't':
        return skip_word("true");
      case 'f':
        return skip_word("false");
      case 'n':
        return skip_word("null");
      default:
        return skip_number();
    }
  }

  bool skip_string() {
    if (!skip('"')) return false;
    while (!at_end()) {
      const char c = text_[at_++];
      if (c == '"') return true;
      if (static_cast<unsigned char>(c) < 0x20) return false;
      if (c == '\\' && !skip_escape()) return false;
    }
    return false;
  }

 private:
  template <typename SkipOne>
  bool skip_container(char closing, int, SkipOne skip_one) {
    ++at_;
    skip_spaces();
    if (skip(closing)) return true;
    for (;;) {
      skip_spaces();
      if (!skip_one()) return false;
      skip_spaces();
      if (skip(closing)) return true;
      if (!skip(',')) return false;
    }
  }

  bool skip_member(int depth) {
    if (!skip_string()) return false;
    skip_spaces();
    if (!skip(':')) return false;
    skip_spaces();
    return skip_value(depth + 1);
  }

  bool skip_escape() {
    if (at_end()) return false;
    const char c = text_[at_++];
    if (c != 'u') return std::string_view("\"\\/bfnrt").find(c) != std::string_view::npos;
    for (int digit = 0; digit < 4; ++digit) {
      if (at_end() || hex_value(text_[at_++]) < 0) return false;
    }
    return true;
  }

  bool skip_word(std::string_view word) {
    if (text_.substr(at_, word.size()) != word) return false;
    at_ += word.size();
    return true;
  }

  bool skip_digits() {
    const std::size_t start = at_;
    while (!at_end() && is_digit(text_[at_])) ++at_;
    return at_ > start;
  }

  bool skip_number() {
    skip('-');
    if (!skip('0') && !skip_digits()) return false;
    if (skip('.') && !skip_digits()) return false;
    if (skip('e') || skip('E')) {
      if (!skip('+')) skip('-');
      return skip_digits();
    }
    return true;
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

void append_utf8(std::string& out, std::uint32_t point) {
  if (point < 0x80) {
    out += static_cast<char>(point);
  } else if (point < 0x800) {
    out += static_cast<char>(0xC0 | (point >> 6));
    out += static_cast<char>(0x80 | (point & 0x3F));
  } else if (point < 0x10000) {
    out += static_cast<char>(0xE0 | (point >> 12));
    out += static_cast<char>(0x80 | ((point >> 6) & 0x3F));
    out += static_cast<char>(0x80 | (point & 0x3F));
  } else {
    out += static_cast<char>(0xF0 | (point >> 18));
    out += static_cast<char>(0x80 | ((point >> 12) & 0x3F));
    out += static_cast<char>(0x80 | ((point >> 6) & 0x3F));
    out += static_cast<char>(0x80 | (point & 0x3F));
  }
}

std::uint32_t hex4(std::string_view digits) {
  std::uint32_t value = 0;
  for (char c : digits) value = value << 4 | static_cast<std::uint32_t>(hex_value(c));
  return value;
}

// The code point of the escape at `at` (behind "\u"), which was checked before; moves `at` on.
std::uint32_t take_unicode_escape(std::string_view body, std::size_t& at) {
  const std::uint32_t first = hex4(body.substr(at, 4));
  at += 4;
  if (first < 0xD800 || first > 0xDBFF || body.substr(at, 2) != "\\u") return first;
  const std::uint32_t second = hex4(body.substr(at + 2, 4));
  if (second < 0xDC00 || second > 0xDFFF) return first;
  at += 6;
  return 0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00);
}

char simple_escape(char c) {
  switch (c) {
    case 'b':
      return '\b';
    case 'f':
      return '\f';
    case 'n':
      return '\n';
    case 'r':
      return '\r';
    case 't':
      return '\t';
    default:
      return c;
  }
}

// The code point at `at` of a text that should be UTF-8; moves `at` on.
std::uint32_t take_utf8(std::string_view text, std::size_t& at) {
  const auto byte = [&](std::size_t index) {
    return index < text.size() ? static_cast<unsigned char>(text[index]) : 0u;
  };
  const std::uint32_t lead = byte(at++);
  if (lead < 0x80) return lead;
  const int more = lead >= 0xF0 && lead < 0xF5 ? 3 : lead >= 0xE0 ? 2 : lead >= 0xC2 ? 1 : 0;
  if (more == 0 || lead >= 0xF5) return kReplacement;
  std::uint32_t point = lead & (0x3Fu >> more);
  for (int n = 0; n < more; ++n) {
    const std::uint32_t next = byte(at + static_cast<std::size_t>(n));
    if ((next & 0xC0) != 0x80) return kReplacement;
    point = point << 6 | (next & 0x3F);
  }
  const std::uint32_t least = more == 3 ? 0x10000 : more == 2 ? 0x800 : 0x80;
  const bool is_surrogate = point >= 0xD800 && point <= 0xDFFF;
  if (point < least || point > 0x10FFFF || is_surrogate) return kReplacement;
  at += static_cast<std::size_t>(more);
  return point;
}

void append_escape(std::string& out, std::uint32_t unit) {
  constexpr std::string_view kHex = "0123456789abcdef";
  out += "\\u";
  for (int shift = 12; shift >= 0; shift -= 4) out += kHex[(unit >> shift) & 0xF];
}

}  // namespace

std::optional<Json> Json::parse(std::string_view text) {
  Walker walker(text);
  walker.skip_spaces();
  const std::size_t start = walker.at();
  if (!walker.skip_value(0)) return std::nullopt;
  const std::string_view value = walker.since(start);
  walker.skip_spaces();
  if (!walker.at_end()) return std::nullopt;
  return Json(value);
}

// The text was walked over once, so what a container holds is known to be well-formed.
std::optional<std::vector<Json::Member>> Json::members() const {
  if (text_.empty() || text_.front() != '{') return std::nullopt;
  std::vector<Member> found;
  Walker walker(text_);
  walker.skip('{');
  walker.skip_spaces();
  while (!walker.skip('}')) {
    walker.skip(',');
    walker.skip_spaces();
    const std::size_t name_at = walker.at();
    if (!walker.skip_string()) return std::nullopt;
    auto name = Json(walker.since(name_at)).string();
    walker.skip_spaces();
    walker.skip(':');
    walker.skip_spaces();
    const std::size_t value_at = walker.at();
    if (!name || !walker.skip_value(1)) return std::nullopt;
    found.emplace_back(std::move(*name), Json(walker.since(value_at)));
    walker.skip_spaces();
  }
  return found;
}

std::optional<std::vector<Json>> Json::items() const {
  if (text_.empty() || text_.front() != '[') return std::nullopt;
  std::vector<Json> found;
  Walker walker(text_);
  walker.skip('[');
  walker.skip_spaces();
  while (!walker.skip(']')) {
    walker.skip(',');
    walker.skip_spaces();
    const std::size_t value_at = walker.at();
    if (!walker.skip_value(1)) return std::nullopt;
    found.push_back(Json(walker.since(value_at)));
    walker.skip_spaces();
  }
  return found;
}

std::optional<std::int64_t> Json::integer() const {
  std::int64_t value = 0;
  const char* end = text_.data() + text_.size();
  const auto [stopped, problem] = std::from_chars(text_.data(), end, value);
  if (problem != std::errc{} || stopped != end) return std::nullopt;
  return value;
}

std::optional<double> Json::number() const {
  double value = 0;
  const char* end = text_.data() + text_.size();
  const auto [stopped, problem] = std::from_chars(text_.data(), end, value);
  if (problem != std::errc{} || stopped != end) return std::nullopt;
  return value;
}

std::optional<bool> Json::boolean() const {
  if (text_ == "true") return true;
  if (text_ == "false") return false;
  return std::nullopt;
}

std::optional<std::string> Json::string() const {
  if (text_.size() < 2 || text_.front() != '"') return std::nullopt;
  const std::string_view body = text_.substr(1, text_.size() - 2);
  std::string out;
  out.reserve(body.size());
  std::size_t at = 0;
  while (at < body.size()) {
    const std::size_t next = body.find('\\', at);
    out += body.substr(at, next - at);
    if (next == std::string_view::npos) break;
    at = next + 2;
    if (body[next + 1] == 'u') {
      append_utf8(out, take_unicode_escape(body, at));
    } else {
      out += simple_escape(body[next + 1]);
    }
  }
  return out;
}

void append_json_quoted(std::string& out, std::string_view utf8) {
  out += '"';
  for (std::size_t at = 0; at < utf8.size();) {
    const std::uint32_t point = take_utf8(utf8, at);
    constexpr std::string_view kPlain = "\b\f\n\r\t\"\\";
    constexpr std::string_view kLetters = "bfnrt\"\\";
    const std::size_t known =
        point < 0x80 ? kPlain.find(static_cast<char>(point)) : std::string_view::npos;
    if (known != std::string_view::npos) {
      out += '\\';
      out += kLetters[known];
    } else if (point >= 0x20 && point < 0x7F) {
      out += static_cast<char>(point);
    } else if (point == 0x7F) {
      out += '\x7F';  // as Python
    } else if (point < 0x10000) {
      append_escape(out, point);
    } else {
      append_escape(out, 0xD800 + ((point - 0x10000) >> 10));
      append_escape(out, 0xDC00 + ((point - 0x10000) & 0x3FF));
    }
  }
  out += '"';
}

}  // namespace corral
