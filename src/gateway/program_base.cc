#include "gateway/program_base.h"

#include "gateway/python_error.h"

namespace corral::gateway {

using interp::Ref;

Result<exec::Loaded> ProgramBase::load(interp::Attached& attached) {
  exec::Loaded loaded = exec::Loaded::ready;
  guest_ = install_guest(attached, context_.guest, *context_.host, context_.worker_name);
  Ref site = guest_ ? Ref::steal(PyImport_ImportModule("corral.site")) : Ref();
  Ref prepared =
      site ? Ref::steal(PyObject_CallMethod(site.get(), "prepare", "s", context_.load.c_str()))
           : Ref();
  if (prepared) enter_thread(attached);
  if (!prepared || !load_application(attached, loaded)) return Error{take_boot_failure(attached)};
  return loaded;
}

void ProgramBase::enter_thread(interp::Attached& attached) {
  Ref site = Ref::steal(PyImport_ImportModule("corral.site"));
  Ref entered = site ? Ref::steal(PyObject_CallMethod(site.get(), "enter_thread", nullptr)) : Ref();
  if (entered) return;
  log().warning(
      404, "a worker thread could not be introduced to Python's threading; it serves all the same",
      {{"worker", context_.worker_name}, {"error", take_python_error(attached).summary}});
}

void ProgramBase::unload(interp::Attached&) { guest_.reset(); }

Ref ProgramBase::call_loader(interp::Attached&, const char* module) const {
  Ref loader = Ref::steal(PyImport_ImportModule(module));
  if (!loader) return loader;
  return Ref::steal(PyObject_CallMethod(loader.get(), "load", "s", context_.load.c_str()));
}

}  // namespace corral::gateway
