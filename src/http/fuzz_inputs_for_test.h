// The fuzzers' corpus (fuzz/parser) and a fixed sequence of mutations of it, for tests.
#pragma once

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

namespace corral::http {

inline std::vector<std::string> read_fuzz_corpus() {
  const auto folder = std::filesystem::path(__FILE__).parent_path() / "../../fuzz/parser";
  std::vector<std::filesystem::path> paths;
  for (const auto& entry : std::filesystem::directory_iterator(folder))
    paths.push_back(entry.path());
  std::sort(paths.begin(), paths.end());
  std::vector<std::string> inputs;
  for (const auto& path : paths) {
    std::ifstream file(path, std::ios::binary);
    inputs.emplace_back(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
  }
  return inputs;
}

class Mutator {
 public:
  explicit Mutator(const std::vector<std::string>& corpus) : corpus_(corpus) {}

  std::string next() {
    std::string input = corpus_[pick(corpus_.size())];
    for (std::size_t count = 1 + pick(4); count > 0; --count) mutate(input);
    return input;
  }

 private:
  std::size_t pick(std::size_t bound) { return random_() % bound; }

  void mutate(std::string& input) {
    static const std::vector<std::string> kPieces = {"\r\n",
                                                     "\n",
                                                     "\r",
                                                     std::string(1, '\0'),
                                                     " ",
                                                     "\t",
                                                     ":",
                                                     "#",
                                                     "%",
                                                     "%2",
                                                     "%00",
                                                     "\xff",
                                                     "\x7f",
                                                     ";",
                                                     "0",
                                                     "f",
                                                     "_",
                                                     ",",
                                                     "http://a",
                                                     "Content-Length: 5\r\n",
                                                     "Transfer-Encoding: chunked\r\n",
                                                     "Host: b\r\n",
                                                     "\r\n\r\n",
                                                     "0\r\n\r\n",
                                                     "ffffffffffffffff",
                                                     "Connection: close\r\n",
                                                     "x: y\r\n",
                                                     std::string(300, 'a')};
    const std::size_t at = pick(input.size() + 1);
    switch (pick(6)) {
      case 0:
        input.insert(at, kPieces[pick(kPieces.size())]);
        break;
      case 1:
        input.erase(at, 1 + pick(8));
        break;
      case 2:
        if (at < input.size()) input[at] = static_cast<char>(pick(256));
        break;
      case 3:
        input.insert(at, input.substr(pick(input.size() + 1), pick(40)));
        break;
      case 4:
        input.replace(at, std::string::npos, corpus_[pick(corpus_.size())]);
        break;
      case 5:
        if (at < input.size()) input[at] = static_cast<char>(input[at] ^ (1 << pick(8)));
        break;
    }
  }

  const std::vector<std::string>& corpus_;
  std::mt19937 random_{20240229};  // the same sequence each time
};

}  // namespace corral::http
