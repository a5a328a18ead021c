// Just enough JSON: taking small texts of our own apart, and quoting.
//
// The reader is strict (RFC 8259) about what it walks over and copies nothing: a value is the piece
// of the text that holds it, and is looked at when somebody asks. Nothing here throws; a text that
// is not what was asked for is nullopt.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace corral {

// One value, as its text without spaces around it. Lives as long as the text it came from.
class Json {
 public:
  using Member = std::pair<std::string, Json>;

  // The whole of `text` as one value. Nesting deeper than kJsonDepthMax is refused.
  static std::optional<Json> parse(std::string_view text);

  std::string_view text() const { return text_; }
  bool is_null() const { return text_ == "null"; }

  std::optional<std::vector<Member>> members() const;  // of an object, in order
  std::optional<std::vector<Json>> items() const;      // of an array
  std::optional<std::int64_t> integer() const;         // nothing with a point or an exponent
  std::optional<double> number() const;                // what a double can hold
  std::optional<bool> boolean() const;
  // A string as UTF-8. Lone surrogates become the bytes that UTF-8 would have for them (as Python's
  // "surrogatepass"), which is not UTF-8: whoever stores it hears so.
  std::optional<std::string> string() const;

 private:
  explicit Json(std::string_view text) : text_(text) {}
  std::string_view text_;
};

constexpr int kJsonDepthMax = 200;

// The string as JSON in ASCII, as Python's json.dumps writes it; each byte that is not UTF-8
// becomes U+FFFD.
void append_json_quoted(std::string& out, std::string_view utf8);

}  // namespace corral
