// What one thread of a web worker has in hand: a request, and who may answer it (turn_post.h).
//
// While `open` the watcher may take the request and answer it in the thread's place; `held` is the
// server's own work and the client's time, which do not count.
#pragma once

#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>

#include "base/log.h"
#include "gateway/turn_post.h"
#include "http/exchange.h"

namespace corral::gateway {

class RequestPost final : public TurnPost {
 public:
  // Both outlive the post.
  RequestPost(Log& log, const interp::Ref& interruption) : log_(log), interruption_(interruption) {}

  // --- the thread; with the GIL where it says so
  void begin(http::Exchange exchange);
  // While held, before the response is complete and code of the application is still to run: keeps
  // what a record would say of the request.
  void remember();
  // While held.
  http::Exchange& exchange() { return exchange_; }
  // How the application ended whose request had been taken, for the record of its end.
  void note_ending(std::string ending) { ending_ = std::move(ending); }
  // Attached. No interrupt is pending afterwards.
  void end(interp::Attached& attached);

 private:
  // --- TurnPost
  const interp::Ref& interruption() const override { return interruption_; }
  void take(const exec::Finding& finding) override;
  void taken() override;
  void note(const exec::Finding& finding) override;
  void write_finding(const exec::Finding& finding, std::string_view name,
                     std::string_view text) override;

  // What a record says of a request: kept when somebody looked at it, as it may be gone later.
  struct Facts {
    std::uint64_t turn = 0;
    std::string method, target, request_id;
    std::int64_t started_ns = 0;
    std::string_view client_gets;
  };

  void remember(const http::Exchange& exchange, std::uint64_t turn, std::string_view client_gets);
  void write_end();
  Facts facts(std::uint64_t turn);

  Log& log_;
  const interp::Ref& interruption_;
  http::Exchange exchange_;  // owned by who holds, or takes; and by the thread between two turns
  http::Exchange expired_;   // the watcher's: taken, not answered yet
  std::string ending_;       // the thread's
  std::mutex mutex_;
  Facts facts_;  // guarded by mutex_
};

}  // namespace corral::gateway
