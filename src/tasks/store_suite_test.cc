#include "tasks/store_suite.h"

namespace corral::tasks {
namespace {

INSTANTIATE_TEST_SUITE_P(Memory, StoreSuite, testing::Values(&make_memory_world));
INSTANTIATE_TEST_SUITE_P(Postgres, StoreSuite, testing::Values(&make_postgres_world));
INSTANTIATE_TEST_SUITE_P(PostgresSessionless, StoreSuite,
                         testing::Values(&make_postgres_world_sessionless));

}  // namespace
}  // namespace corral::tasks
