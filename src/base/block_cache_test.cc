#include "base/block_cache.h"

#include <gtest/gtest.h>

#include <cstring>
#include <thread>

#include "base/buffer.h"

namespace corral {
namespace {

constexpr std::size_t kMin = BlockCache::kBlockBytesMin;

TEST(BlockCache, GivesTheBlockThatCameBackLast) {
  BlockCache cache(16 * kMin);
  const BlockCache::Block one = cache.take(1), two = cache.take(kMin);
  EXPECT_EQ(one.bytes, kMin);
  EXPECT_EQ(two.bytes, kMin);
  cache.give(one);
  cache.give(two);
  EXPECT_EQ(cache.take(kMin - 1).data, two.data);
  EXPECT_EQ(cache.take(kMin - 1).data, one.data);
  EXPECT_EQ(cache.kept_bytes(), 0u);
  cache.give(one);
  cache.give(two);
}

TEST(BlockCache, KeepsSizesApart) {
  BlockCache cache(16 * kMin);
  const BlockCache::Block small = cache.take(kMin);
  cache.give(small);
  const BlockCache::Block large = cache.take(kMin + 1);
  EXPECT_EQ(large.bytes, 2 * kMin);
  EXPECT_EQ(cache.kept_bytes(), kMin);
  std::memset(large.data, 1, large.bytes);
  cache.give(large);
}

TEST(BlockCache, KeepsNothingBeyondItsBound) {
  BlockCache cache(2 * kMin);
  const BlockCache::Block one = cache.take(kMin), two = cache.take(kMin), three = cache.take(kMin);
  ASSERT_NE(three.data, nullptr) << "what is needed is given all the same";
  cache.give(one);
  EXPECT_EQ(cache.kept_bytes(), 0u) << "three were in use";
  cache.give(two);
  cache.give(three);
  EXPECT_EQ(cache.kept_bytes(), 2 * kMin);
  const BlockCache::Block large = cache.take(2 * kMin);
  EXPECT_EQ(cache.kept_bytes(), 0u) << "it makes room for another size";
  cache.give(large);
}

TEST(BlockCache, ReleasesOnlyWhatNobodyNeededMeanwhile) {
  BlockCache cache(16 * kMin);
  BlockCache::Block blocks[3];
  for (auto& block : blocks) block = cache.take(kMin);
  for (const auto& block : blocks) cache.give(block);
  cache.release_idle();
  EXPECT_EQ(cache.kept_bytes(), 3 * kMin) << "just given back";
  const BlockCache::Block again = cache.take(kMin);
  cache.give(again);
  cache.release_idle();
  EXPECT_EQ(cache.kept_bytes(), kMin) << "one was needed, two were not";
  cache.release_idle();
  EXPECT_EQ(cache.kept_bytes(), 0u);
}

TEST(BlockCache, HasNothingWhereTheSystemHasNothing) {
  BlockCache cache(kMin);
  const std::size_t too_much = std::size_t{1} << 62;
  EXPECT_EQ(cache.take(too_much).data, nullptr);
  const BlockCache::Block one = cache.take(kMin);
  cache.give(one);
  EXPECT_EQ(cache.kept_bytes(), kMin) << "the failure was not counted as in use";
}

TEST(BlockCache, ServesThreads) {
  BlockCache cache(64 * kMin);
  const auto take_and_give = [&cache](char mark) {
    for (int turn = 0; turn < 1000; ++turn) {
      const BlockCache::Block block = cache.take(kMin << (turn % 3));
      block.data[0] = mark;
      block.data[block.bytes - 1] = mark;
      if (turn % 10 == 0) cache.release_idle();
      ASSERT_EQ(block.data[0], mark);
      ASSERT_EQ(block.data[block.bytes - 1], mark);
      cache.give(block);
    }
  };
  std::thread one(take_and_give, 'a'), two(take_and_give, 'b');
  one.join();
  two.join();
}

TEST(Buffer, GrowsAndKeepsItsBytes) {
  auto cache = std::make_shared<BlockCache>(16 * kMin);
  Buffer buffer;
  ASSERT_TRUE(buffer.try_reserve(5, cache));
  buffer.append("hello");
  EXPECT_EQ(buffer.room().size(), 0u);
  ASSERT_TRUE(buffer.try_reserve(kMin, cache));
  EXPECT_EQ(buffer.view(), "hello");
  EXPECT_EQ(buffer.capacity(), kMin);
  std::memcpy(buffer.room().data(), ", world", 7);
  buffer.add(7);
  ASSERT_TRUE(buffer.try_reserve(3 * kMin, cache));
  EXPECT_EQ(buffer.view(), "hello, world");
  EXPECT_EQ(cache->kept_bytes(), kMin) << "it gave back what it had";
}

TEST(Buffer, GivesItsMemoryBackOnce) {
  auto cache = std::make_shared<BlockCache>(16 * kMin);
  {
    Buffer buffer;
    ASSERT_TRUE(buffer.try_reserve(kMin, cache));
    buffer.append("abc");
    Buffer moved = std::move(buffer);
    EXPECT_EQ(moved.view(), "abc");
    EXPECT_EQ(cache->kept_bytes(), 0u);
    moved.reset();
    EXPECT_EQ(moved.size(), 0u);
    EXPECT_EQ(cache->kept_bytes(), kMin);
    ASSERT_TRUE(moved.try_reserve(10, cache));
    Buffer replaced;
    ASSERT_TRUE(replaced.try_reserve(kMin, cache));
    replaced = std::move(moved);
    EXPECT_EQ(replaced.capacity(), 10u);
  }
  EXPECT_EQ(cache->kept_bytes(), kMin);
}

TEST(Buffer, KeepsTheCacheAlive) {
  Buffer buffer;
  {
    auto cache = std::make_shared<BlockCache>(16 * kMin);
    ASSERT_TRUE(buffer.try_reserve(kMin, cache));
  }
  buffer.append("still there");
  EXPECT_EQ(buffer.view(), "still there");
}

TEST(Buffer, StaysAsItIsWhereThereIsNoMemory) {
  auto cache = std::make_shared<BlockCache>(16 * kMin);
  Buffer buffer;
  ASSERT_TRUE(buffer.try_reserve(3, cache));
  buffer.append("abc");
  EXPECT_FALSE(buffer.try_reserve(std::size_t{1} << 62, cache));
  EXPECT_EQ(buffer.view(), "abc");
}

}  // namespace
}  // namespace corral
