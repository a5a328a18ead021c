#include "supervisor/scripted_child.h"

#include <dirent.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "control/channel.h"
#include "control/scoreboard.h"

namespace corral::supervisor {
namespace {

using control::Channel;
using control::Kind;

// No core files, and no sanitizer that turns the signal into an exit code.
void prepare_to_crash() {
  const rlimit no_core{0, 0};
  setrlimit(RLIMIT_CORE, &no_core);
  signal(SIGSEGV, SIG_DFL);
}

[[noreturn]] void crash() {
  raise(SIGSEGV);
  _exit(99);
}

class ScriptedChild {
 public:
  explicit ScriptedChild(int control_fd) : channel_(Fd(control_fd)) {}

  int run() {
    auto config = channel_.receive(-1);
    if (!config || config->kind != Kind::config) return 90;
    std::istringstream words(config->text);
    for (std::string word; words >> word;) script_.push_back(word);
    events_fd_ = std::atoi(value_of("events").c_str());
    for (const std::string& word : script_) act(word);
    for (;;) answer(*channel_.receive(-1));
  }

 private:
  bool has(const std::string& word) const {
    return std::find(script_.begin(), script_.end(), word) != script_.end();
  }

  std::string value_of(const std::string& name) const {
    for (const std::string& word : script_) {
      if (word.rfind(name + "=", 0) == 0) return word.substr(name.size() + 1);
    }
    return "";
  }

  void report(const std::string& what) const {
    const std::string line = std::to_string(getpid()) + " " + what + "\n";
    if (write(events_fd_, line.data(), line.size()) < 0) _exit(91);
  }

  void act(const std::string& word) {
    const std::size_t equals = word.find('=');
    const std::string name = word.substr(0, equals);
    const std::string value = equals == std::string::npos ? "" : word.substr(equals + 1);
    const bool is_there = access(value.c_str(), F_OK) == 0;
    if (name == "ready" || name == "note") channel_.send(Kind::ready, value);
    if (name == "fail" || (name == "fail-if" && is_there)) {
      channel_.send(Kind::failed, name == "fail" ? value : "the flag is up");
      _exit(1);
    }
    if (name == "exit") _exit(std::atoi(value.c_str()));
    if (name == "crash" || (name == "crash-if" && is_there)) crash();
    if (name == "open") report("opening"), open(value.c_str(), O_RDONLY);
    if (name == "describe") describe();
    if (name == "hangup") channel_.close();
    if (name == "deaf" || name == "hangup") {
      report(name);
      for (;;) pause();
    }
  }

  void describe() const {
    std::vector<int> fds;
    DIR* directory = opendir("/proc/self/fd");
    while (const dirent* entry = readdir(directory)) {
      if (entry->d_name[0] != '.' && std::atoi(entry->d_name) != dirfd(directory))
        fds.push_back(std::atoi(entry->d_name));
    }
    closedir(directory);
    std::sort(fds.begin(), fds.end());
    std::string text = "fds";
    for (int fd : fds) text += fd == channel_.fd() ? " control" : " " + std::to_string(fd);
    report(text);
    std::ifstream status("/proc/self/status");
    for (std::string line; std::getline(status, line);) {
      if (line.rfind("SigIgn:", 0) == 0 || line.rfind("SigBlk:", 0) == 0) report(line);
    }
  }

  void answer(const control::Message& message) {
    switch (message.kind) {
      case Kind::place:
        return has("slot") ? take_slot(message.text) : void();
      case Kind::serve:
        return report("serve");
      case Kind::stop:
        report("stop");
        _exit(3);
      case Kind::closed:
        report("closed");
        _exit(3);
      case Kind::drain:
        return drain(message.text);
      default:
        _exit(92);
    }
  }

  // Says how it finds its slot, and leaves it in use.
  void take_slot(const std::string& place) {
    std::istringstream words(place);
    int fd = -1;
    std::size_t index = 0;
    words >> fd >> index;
    auto board = control::Scoreboard::attach(fd);
    if (!board) _exit(94);
    control::Slot& slot = board->slot(index);
    const auto was = slot.state.exchange(control::SlotState::serving);
    report("slot " + std::to_string(index) + " of " + std::to_string(board->slots()) +
           ", incarnation " + std::to_string(slot.incarnation.load()) +
           (was == control::SlotState::free ? ", was free" : ", was in use"));
  }

  void drain(const std::string& grace) {
    if (!value_of("drain-close").empty()) close(std::atoi(value_of("drain-close").c_str()));
    report("drain " + grace);
    if (has("drain-crash")) crash();
    if (!has("drain-hold")) _exit(std::atoi(value_of("drain-exit").c_str()));
  }

  Channel channel_;
  std::vector<std::string> script_;
  int events_fd_ = -1;
};

}  // namespace

int run_scripted_child(int control_fd) {
  prepare_to_crash();
  return ScriptedChild(control_fd).run();
}

}  // namespace corral::supervisor

int main(int argc, char** argv) {
  if (argc >= 4 && std::string(argv[1]) == "--child")
    return corral::supervisor::run_scripted_child(std::atoi(argv[3]));
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
