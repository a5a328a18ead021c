// A web worker: takes requests from the group's queue, polling for them when it is empty, and calls
// the site's WSGI application.
#pragma once

#include "gateway/environ.h"
#include "gateway/program_base.h"
#include "gateway/request_post.h"
#include "http/polling.h"

namespace corral::gateway {

class WsgiCall;

class WsgiProgram final : public ProgramBase {
 public:
  struct Options {
    EnvironBuilder::Options environ;
  };

  WsgiProgram(ProgramContext context, Options options, http::Polling& requests)
      : ProgramBase(std::move(context)), options_(options), requests_(requests) {}

  std::unique_ptr<exec::Post> make_post() override;
  void run(interp::PythonThread& thread, exec::Post* post) override;
  void unload(interp::Attached& attached) override;

 private:
  bool load_application(interp::Attached& attached, exec::Loaded& loaded) override;
  void serve(interp::Attached& attached, WsgiCall& call, RequestPost& post, Milliseconds waited_ms);

  const Options options_;
  http::Polling& requests_;
  EnvironBuilder environs_;
  interp::Ref application_;
  interp::Ref interruption_;  // what a thread that takes too long is interrupted with
};

}  // namespace corral::gateway
