// The fuzzer's checks over its corpus and a fixed sequence of mutations of it, in every test run
// and under sanitizers.
#include <gtest/gtest.h>

#include <vector>

#include "http/fuzz_inputs_for_test.h"
#include "http/parser_fuzz.cc"

namespace corral::http {
namespace {

TEST(ParserMutation, EveryCorpusFileKeepsTheInvariants) {
  const std::vector<std::string> corpus = read_fuzz_corpus();
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
  const std::vector<std::string> corpus = read_fuzz_corpus();
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
