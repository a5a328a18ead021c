// Makes the bytes of connections: requests one behind the other, most of them valid, each part now
// and then replaced by something that parties have been known to read differently.
//
// The same seed makes the same sequence.
#pragma once

#include <cstdint>
#include <random>
#include <string>
#include <vector>

namespace corral::fuzz {

class RequestMaker {
 public:
  explicit RequestMaker(std::uint32_t seed) : random_(seed) {}

  std::string next();

 private:
  using Choices = std::vector<std::string>;

  std::size_t pick(std::size_t bound) { return random_() % bound; }
  bool rarely() { return pick(40) == 0; }
  const std::string& pick_of(const Choices& choices) { return choices[pick(choices.size())]; }
  // Mostly the first of the two.
  const std::string& pick_of(const Choices& usual, const Choices& odd) {
    return pick_of(rarely() ? odd : usual);
  }

  std::string line_end();
  std::string request_line();
  std::string field(const std::string& name, const std::string& value);
  std::string fields();
  std::string framing_and_body();
  std::string chunked_body();
  std::string chunk(const std::string& data);
  std::string trailers();
  void damage(std::string& bytes);

  std::mt19937 random_;
};

}  // namespace corral::fuzz
