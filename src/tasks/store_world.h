// A database with up to two nodes on it, as the shared tests of the stores see it (store_suite.h).
// A store's own test file says how to make one.
#pragma once

#include <memory>
#include <string>

#include "tasks/memory_store.h"
#include "tasks/store.h"

namespace corral::tasks {

constexpr Milliseconds kWorldLeaseMs = 15'000;  // every node of a world has this lease
// and this queue has a weight of three in it.
constexpr const char* kWorldHeavyQueue = "heavy";

class StoreWorld {
 public:
  virtual ~StoreWorld() = default;
  virtual Store& node(int number) = 0;          // 0 or 1; not opened
  virtual std::string enqueue(NewJob job) = 0;  // by a program that is neither node; returns the id
  virtual void pause(const std::string& queue, Milliseconds span_ms) = 0;  // -1: until resume()
  virtual void resume(const std::string& queue) = 0;
  virtual void cancel(const std::string& id) = 0;  // asks for it
  virtual Row row(const std::string& id) = 0;
  virtual bool exists(const std::string& id) = 0;
  virtual void plan_tick(Milliseconds delay_ms) = 0;  // of a schedule, by another program
  virtual void pass(Milliseconds span_ms) = 0;        // on the database's clock
  virtual void lose_next_claim(
      int number) = 0;  // that node's next claim() is carried out, but returns an Error
  // What enqueue() was given, of a claimed job.
  virtual std::string payload_of(const Job& job) { return job.payload; }
};

// Null where the database is not there: then the tests skip.
using MakeStoreWorld = std::unique_ptr<StoreWorld> (*)();

std::unique_ptr<StoreWorld> make_memory_world();                // memory_store_test.cc
std::unique_ptr<StoreWorld> make_postgres_world();              // postgres_store_test.cc
std::unique_ptr<StoreWorld> make_postgres_world_sessionless();  // as behind a pooler

}  // namespace corral::tasks
