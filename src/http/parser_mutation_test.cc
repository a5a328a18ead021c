// The fuzzer's checks over its corpus and a fixed sequence of mutations of it, in every test run
// and under sanitizers.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <random>
#include <vector>

#include "http/parser_fuzz.cc"

namespace corral::http {
namespace {

std::vector<std::string> read_corpus() {
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

TEST(ParserMutation, EveryCorpusFileKeepsTheInvariants) {
  const std::vector<std::string> corpus = read_corpus();
  ASSERT_GE(corpus.size(), 20u);
  std::size_t accepted = 0, bodies = 0;
  for (const std::string& input : corpus) {
    const Outcome outcome = check_input(input);
    accepted += outcome.head_accepted;
    bodies += outcome.body == ChunkedDecoder::State::done;
  }
  EXPECT_GE(accepted, 10u);
  EXPECT_GE(bodies, 3u);
  EXPECT_LT(accepted, corpus.size());
}

TEST(ParserMutation, MutatedInputsKeepTheInvariants) {
  const std::vector<std::string> corpus = read_corpus();
  ASSERT_FALSE(corpus.empty());
  Mutator mutator(corpus);
  std::size_t whole = 0, accepted = 0, bodies_done = 0, bodies_refused = 0;
  constexpr std::size_t kRounds = 50'000;
  for (std::size_t i = 0; i < kRounds; ++i) {
    const Outcome outcome = check_input(mutator.next());
    whole += outcome.has_head;
    accepted += outcome.head_accepted;
    bodies_done += outcome.body == ChunkedDecoder::State::done;
    bodies_refused += outcome.body == ChunkedDecoder::State::refused;
  }
  // The sequence reaches every outcome often, or it would show nothing.
  EXPECT_GT(whole, kRounds / 2);
  EXPECT_GT(accepted, kRounds / 20);
  EXPECT_GT(whole - accepted, kRounds / 20);
  EXPECT_GT(bodies_done, kRounds / 50);
  EXPECT_GT(bodies_refused, kRounds / 50);
}

}  // namespace
}  // namespace corral::http
