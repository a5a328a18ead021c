#include "differences.h"

#include <algorithm>

namespace corral::fuzz {
namespace {

// Names with underscores are dropped by the default setting.
std::vector<Field> without_underscores(std::vector<Field> fields) {
  std::erase_if(fields,
                [](const Field& field) { return field.name.find('_') != std::string::npos; });
  return fields;
}

// Some are not kept.
std::vector<Field> trailers_to_keep(std::vector<Field> fields) {
  fields = without_underscores(std::move(fields));
  std::erase_if(fields, [](const Field& field) { return !http::may_be_trailer(field.name); });
  return fields;
}

// The first part of a message that the two read differently; nullptr when there is none.
const char* find_difference(const Message& corral, const Message& llhttp) {
  if (corral.method != llhttp.method) return "method";
  if (corral.target != llhttp.target) return "target";
  if (corral.version_minor != llhttp.version_minor) return "version";
  if (corral.fields != without_underscores(llhttp.fields)) return "header fields";
  if (corral.trailers != trailers_to_keep(llhttp.trailers)) return "trailers";
  if (corral.body != llhttp.body) return "body";
  if (corral.keep_alive != llhttp.keep_alive) return "keep-alive";
  return nullptr;
}

Comparison judge_refusal(const Reading& corral) {
  if (corral.end != End::refuses) return {Verdict::finding, "llhttp reads one more request"};
  for (const Stricter& row : stricter_rows())
    if (corral.reason == row.reason) return {Verdict::stricter, row.reason};
  return {Verdict::finding, "refused, and llhttp reads a request: " + corral.reason};
}

Comparison judge_acceptance(const Message& message, const std::string& what) {
  for (const Looser& row : looser_rows())
    if (what == row.what && row.is_it(message)) return {Verdict::looser, what};
  return {Verdict::finding, "accepted, and llhttp does not, or differently: " + what};
}

}  // namespace

Comparison compare(const Reading& corral, const Reading& llhttp) {
  const std::size_t both = std::min(corral.messages.size(), llhttp.messages.size());
  std::size_t alike = 0;
  const char* part = nullptr;
  while (alike < both && !(part = find_difference(corral.messages[alike], llhttp.messages[alike])))
    ++alike;
  Comparison comparison;
  if (part != nullptr) {
    comparison = judge_acceptance(corral.messages[alike], part);
  } else if (corral.messages.size() > both) {
    const bool refused = llhttp.end == End::refuses;
    comparison = judge_acceptance(corral.messages[both], refused ? llhttp.reason : "no end of it");
  } else if (llhttp.messages.size() > both) {
    comparison = judge_refusal(corral);
  }
  comparison.alike = alike;
  return comparison;
}

Comparison compare_readings(std::string_view bytes, const HttpLimits& limits) {
  const Reading llhttp = read_as_llhttp(bytes);
  Comparison comparison;
  for (std::size_t step_bytes : {bytes.size() + 1, std::size_t{1}, std::size_t{7}}) {
    Comparison again = compare(read_as_corral(bytes, limits, step_bytes), llhttp);
    if (again.verdict == Verdict::finding) return again;
    comparison = std::move(again);
  }
  return comparison;
}

}  // namespace corral::fuzz
