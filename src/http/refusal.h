// Why a message is refused.
#pragma once

#include "base/limits.h"

namespace corral::http {

// The status to answer before closing, and words for the log ("bare LF in the header block").
// status == 0 means it is accepted. `limit` is the one it exceeds, if any.
struct Refusal {
  int status = 0;
  const char* reason = "";
  Limit limit = Limit::none;

  explicit operator bool() const { return status != 0; }
};

}  // namespace corral::http
