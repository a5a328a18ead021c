// Corral's parser beside llhttp: the table of known differences, and a fixed sequence of inputs.
#include <gtest/gtest.h>

#include <cstdlib>
#include <map>

#include "differences.h"
#include "http/fuzz_inputs_for_test.h"
#include "request_maker.h"

namespace corral::fuzz {
namespace {

// Everything that was found, by what it was, with one example.
class Tally {
 public:
  void take(const std::string& bytes) {
    const Comparison comparison = compare_readings(bytes, HttpLimits());
    ++counts_[comparison.verdict];
    if (comparison.verdict == Verdict::finding) findings_.emplace(comparison.what, bytes);
    requests_ += comparison.alike;
  }
  std::size_t count(Verdict verdict) const {
    const auto found = counts_.find(verdict);
    return found == counts_.end() ? 0 : found->second;
  }
  std::size_t requests() const { return requests_; }
  void expect_no_findings() const {
    for (const auto& [what, bytes] : findings_)
      ADD_FAILURE() << what << "\n" << testing::PrintToString(bytes);
  }

 private:
  std::map<Verdict, std::size_t> counts_;
  std::map<std::string, std::string> findings_;
  std::size_t requests_ = 0;  // that both read alike
};

TEST(DifferencesFromLlhttp, EveryRowOfTheTableIsOne) {
  for (const Stricter& row : stricter_rows()) {
    const Comparison comparison = compare_readings(row.example, HttpLimits());
    EXPECT_EQ(comparison.verdict, Verdict::stricter) << row.reason << ": " << comparison.what;
    EXPECT_EQ(comparison.what, row.reason);
  }
  for (const Looser& row : looser_rows()) {
    const Comparison comparison = compare_readings(row.example, HttpLimits());
    EXPECT_EQ(comparison.verdict, Verdict::looser) << row.what << ": " << comparison.what;
    EXPECT_EQ(comparison.what, row.what);
  }
}

TEST(DifferencesFromLlhttp, ThereAreNoOthersInTheCorpusAndItsMutations) {
  const std::vector<std::string> corpus = http::read_fuzz_corpus();
  ASSERT_GE(corpus.size(), 20u);
  Tally tally;
  for (const std::string& bytes : corpus) tally.take(bytes);
  http::Mutator mutator(corpus);
  constexpr std::size_t kRounds = 30'000;
  for (std::size_t i = 0; i < kRounds; ++i) tally.take(mutator.next());
  tally.expect_no_findings();
  EXPECT_GT(tally.requests(), kRounds / 20);
}

// CORRAL_FUZZ_ROUNDS and CORRAL_FUZZ_SEED make it longer and other.
std::uint32_t read_number(const char* variable, std::uint32_t otherwise) {
  const char* text = std::getenv(variable);
  return text == nullptr ? otherwise : static_cast<std::uint32_t>(std::strtoul(text, nullptr, 10));
}

TEST(DifferencesFromLlhttp, ThereAreNoOthersInMadeRequests) {
  const std::uint32_t rounds = read_number("CORRAL_FUZZ_ROUNDS", 100'000);
  RequestMaker maker(read_number("CORRAL_FUZZ_SEED", 9112));
  Tally tally;
  for (std::uint32_t i = 0; i < rounds; ++i) tally.take(maker.next());
  tally.expect_no_findings();
  // The sequence reaches every outcome often, or it would show nothing.
  EXPECT_GT(tally.requests(), rounds / 3);
  EXPECT_GT(tally.count(Verdict::stricter), rounds / 100);
  EXPECT_GT(tally.count(Verdict::looser), rounds / 1000);
}

}  // namespace
}  // namespace corral::fuzz
