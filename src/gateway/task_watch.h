// What the runner tells a thread's post, as a Python object: runner.Watch.
#pragma once

#include "gateway/task_post.h"
#include "interp/interpreter.h"
#include "interp/reference.h"
#include "tasks/job.h"

namespace corral::gateway {

// The numbers of runner.py.
tasks::JobStatus job_status(int number);

// Has limit(), hold() and is_cancelled(); `post` outlives it. Empty, with a Python error set,
// without memory.
interp::Ref make_task_watch(interp::Attached& attached, TaskPost& post);

}  // namespace corral::gateway
