// What the three kinds of program (web, tasks, command) share: how an interpreter is made ready for
// the site's code.
#pragma once

#include <string>

#include "base/log.h"
#include "exec/program.h"
#include "gateway/guest.h"

namespace corral::gateway {

// Everything here outlives the program.
struct ProgramContext {
  PyModuleDef* guest = nullptr;  // ext's definition of corral._guest
  const Host* host = nullptr;
  Log* log = nullptr;
  std::string worker_name;  // "web.1"
  std::string load;         // JSON for the Python loaders
};

class ProgramBase : public exec::Program {
 public:
  explicit ProgramBase(ProgramContext context) : context_(std::move(context)) {}

  // corral.site.enter_thread()
  void enter_thread(interp::Attached& attached) override;
  // Python errors of the boot become the operator's line.
  Result<exec::Loaded> load(interp::Attached& attached) final;
  void unload(interp::Attached& attached) override;

 protected:
  // Imports the application; false with a Python exception set. `loaded` may be set to not_needed.
  virtual bool load_application(interp::Attached& attached, exec::Loaded& loaded) = 0;

  // module.load(load): the Python side's loader for this role.
  interp::Ref call_loader(interp::Attached& attached, const char* module) const;
  const ProgramContext& context() const { return context_; }
  const GuestState& guest() const { return *guest_state(guest_.get()); }
  Log& log() const { return *context_.log; }

 private:
  const ProgramContext context_;
  interp::Ref guest_;
};

}  // namespace corral::gateway
