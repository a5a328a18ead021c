// What Corral and llhttp may read differently, and why that is right; everything else is a finding.
//
// The rule: what Corral accepts, llhttp accepts too and reads as the same requests. The exceptions
// and the reasons for which Corral refuses what llhttp accepts are two tables.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "reading.h"

namespace corral::fuzz {

// Corral refuses what llhttp accepts.
struct Stricter {
  const char* reason;  // http::Refusal::reason
  const char* why;     // the section that asks for it or allows it
  std::string example;
};
std::span<const Stricter> stricter_rows();

// llhttp refuses what Corral accepts, or reads a part of it differently.
struct Looser {
  const char* what;  // the error of llhttp, or the part
  const char* why;
  std::string example;
  bool (*is_it)(const Message&);  // as Corral has read it
};
std::span<const Looser> looser_rows();

enum class Verdict { alike, stricter, looser, finding };

struct Comparison {
  Verdict verdict = Verdict::alike;
  std::string what;       // the reason, the error, or what was found
  std::size_t alike = 0;  // requests before it that both read alike
};

Comparison compare(const Reading& corral, const Reading& llhttp);

// Reads the bytes as both, as Corral also in pieces of several sizes, and compares.
Comparison compare_readings(std::string_view bytes, const HttpLimits& limits);

}  // namespace corral::fuzz
