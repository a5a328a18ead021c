// Files without a name: they are gone when their last descriptor is.
#pragma once

#include <string>
#include <string_view>

#include "base/fd.h"

namespace corral {

// A new one in `folder`; none, with errno, when that is not possible. Any thread.
Fd open_unlinked_file(const std::string& folder);

// Appends at the file's position. False, with errno, when not all of it could be written.
bool write_all(int fd, std::string_view bytes);

}  // namespace corral
