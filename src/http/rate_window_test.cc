#include "http/rate_window.h"

#include <gtest/gtest.h>

namespace corral::http {
namespace {

constexpr Milliseconds kWindowMs = 10'000;

TEST(RateWindow, NothingIsSaidBeforeTheWindowHasEnded) {
  RateWindow window;
  window.begin(5'000, 0);
  EXPECT_FALSE(window.is_too_slow(14'999, 0, kWindowMs, 500));
  EXPECT_TRUE(window.is_too_slow(15'000, 0, kWindowMs, 500));
}

TEST(RateWindow, TheRateItselfIsEnough) {
  RateWindow window;
  window.begin(0, 1'000'000);
  EXPECT_TRUE(window.is_too_slow(10'000, 1'004'999, kWindowMs, 500));
  EXPECT_FALSE(window.is_too_slow(10'000, 1'005'000, kWindowMs, 500));
}

TEST(RateWindow, AWindowThatWasSeenLateIsMeasuredInFull) {
  RateWindow window;
  window.begin(0, 0);
  EXPECT_TRUE(window.is_too_slow(20'000, 9'999, kWindowMs, 500));
  EXPECT_FALSE(window.is_too_slow(20'000, 10'000, kWindowMs, 500));
}

TEST(RateWindow, WhatWasQuickOnceMustStayQuick) {
  RateWindow window;
  window.begin(0, 0);
  EXPECT_FALSE(window.is_too_slow(10'000, 50'000'000, kWindowMs, 500));
  EXPECT_FALSE(window.is_too_slow(19'999, 50'000'000, kWindowMs, 500));
  EXPECT_TRUE(window.is_too_slow(20'000, 50'004'000, kWindowMs, 500));
}

TEST(RateWindow, ZeroIsNoLimit) {
  RateWindow window;
  window.begin(0, 0);
  EXPECT_FALSE(window.is_too_slow(1'000'000, 0, kWindowMs, 0));
}

}  // namespace
}  // namespace corral::http
