#include "collect/bpf/handout_probes.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstring>

namespace unclosed {
namespace {

// A path under which the kernel finds the file behind a mapping; "" when there is none any more.
std::string reachable(const ProcessId& process, const Mapping& mapping) {
  const std::string base = fmt::format("/proc/{}/", process.pid);
  for (const std::string& path : {base + "exe", base + "root" + mapping.path}) {
    struct stat status {};
    if (::stat(path.c_str(), &status) == 0 && status.st_ino == mapping.inode) return path;
  }
  return {};
}

std::optional<uc_handout> packed(const Handout& handout) {
  uc_handout out{};
  out.use = static_cast<uint32_t>(handout.use);
  if (handout.paths.empty() || handout.paths.size() > UC_HANDOUT_PATHS) return std::nullopt;
  for (const auto& path : handout.paths) {
    if (path.empty() || path.size() > UC_HANDOUT_STEPS) return std::nullopt;
    uc_handout_path& to = out.path[out.paths++];
    for (const int32_t offset : path) to.offset[to.steps++] = offset;
  }
  return out;
}

}  // namespace

void HandoutProbes::look_at(const RawStack& stack) {
  for (const Frame& frame : stack.frames) {
    if (frame.module == kNoModule) continue;
    const auto& handouts = x_code.code(frame.module).handouts;
    for (size_t i = 0; i < handouts.size(); ++i) {
      const auto& askers = handouts[i].askers;
      const bool asks = std::any_of(askers.begin(), askers.end(), [&](const auto& range) {
        return frame.address.value >= range.first.value && frame.address.value < range.second.value;
      });
      if (!asks) continue;
      HandoutProbe probe{handouts[i].function, handouts[i].why,
                         handouts[i].use == HandoutUse::kGives, false, handouts[i].refused};
      if (!x_allowed) probe.obstacle = "--no-probes";
      x_asked.try_emplace({frame.module, i}, std::move(probe));
    }
  }
}

Result<Fd> HandoutProbes::attach(const ProcessId& process, const Mapping& mapping, uint64_t bias,
                                 const Function& function) {
  const Handout& handout = x_code.code(function.first).handouts[function.second];
  const auto [cookie, added] =
      x_cookies.try_emplace(function, static_cast<uint32_t>(x_cookies.size()));
  const auto steps = packed(handout);
  if (cookie->second >= UC_HANDOUTS || !steps || !handout.probe) {
    return Error{ErrorKind::kLimit, "there is no room for another function"};
  }
  if (added) {
    if (auto put = x_kernel.put_handout(cookie->second, *steps); !put) return put.error();
  }
  const std::string path = reachable(process, mapping);
  if (path.empty()) return Error{ErrorKind::kGone, "the file that runs is deleted or replaced"};
  const uint64_t offset = handout.probe->value + bias - mapping.start + mapping.offset;
  return x_kernel.attach_handout(
      {path, offset, cookie->second, static_cast<uint32_t>(process.pid)});
}

void HandoutProbes::arm_one(const ProcessId& process, const Mapping& mapping, uint64_t bias,
                            const Function& function) {
  auto& armed = x_armed[process];
  if (armed.contains(function)) return;
  HandoutProbe& probe = x_asked.at(function);
  if (!x_faults.valid()) {
    auto watch = x_kernel.watch_faults();
    if (!watch) {
      probe.obstacle = watch.error().context;
      return;
    }
    x_faults = *std::move(watch);
  }
  auto link = attach(process, mapping, bias, function);
  if (link) {
    probe.armed = true;
    armed.emplace(function, std::move(*link));
  } else {
    probe.obstacle = link.error().context;
    armed.emplace(function, Fd());
  }
}

void HandoutProbes::arm(const ProcessId& process, const ProcFs& proc) {
  if (!x_allowed || x_asked.empty() || x_stopped.contains(process)) return;
  drop_the_known();
  const auto known = x_armed.find(process);
  const bool all =
      known != x_armed.end() && std::all_of(x_asked.begin(), x_asked.end(), [&](const auto& asked) {
        return known->second.contains(asked.first);
      });
  if (all) return;
  const auto mappings = proc.mappings(process);
  if (!mappings) return;
  for (const Mapping& mapping : *mappings) {
    if (!mapping.executable || mapping.inode == 0) continue;
    const auto module = x_code.open_module(process, mapping);
    const auto bias = module ? x_code.bias(*module, mapping) : std::nullopt;
    if (!bias) continue;
    for (const auto& [function, probe] : x_asked) {
      const auto& handout = x_code.code(function.first).handouts[function.second];
      if (function.first != *module || !handout.probe) continue;
      const uint64_t address = handout.probe->value + *bias;
      if (address < mapping.start || address >= mapping.end) continue;
      arm_one(process, mapping, *bias, function);
    }
  }
  // Not mapped here: not asked again.
  for (const auto& [function, probe] : x_asked) x_armed[process].try_emplace(function);
}

// Where siblings are handed back is a habit: once seen often, it costs nothing more.
void HandoutProbes::drop_the_known() {
  for (const auto& [function, cookie] : x_cookies) {
    const Handout& handout = x_code.code(function.first).handouts[function.second];
    if (handout.use != HandoutUse::kTakesBack || x_kernel.handouts_noted(cookie) < UC_HANDBACKS) {
      continue;
    }
    for (auto& [process, links] : x_armed) {
      if (const auto link = links.find(function); link != links.end()) link->second = Fd();
    }
  }
}

void HandoutProbes::stop(const ProcessId& process, int signal) {
  x_stopped.insert(process);
  const auto armed = x_armed.find(process);
  if (armed == x_armed.end()) return;
  for (const auto& [function, link] : armed->second) {
    if (!link.valid()) continue;
    x_asked.at(function).obstacle =
        fmt::format("taken away at once when process {} took SIG{}", process.pid,
                    ::sigabbrev_np(signal) != nullptr ? ::sigabbrev_np(signal) : "?");
  }
  forget(process);
}

void HandoutProbes::forget(const ProcessId& process) {
  x_armed.erase(process);
  const bool any = std::any_of(x_armed.begin(), x_armed.end(), [](const auto& one) {
    return std::any_of(one.second.begin(), one.second.end(),
                       [](const auto& link) { return link.second.valid(); });
  });
  if (!any) x_faults = Fd();
}

std::vector<HandoutProbe> HandoutProbes::asked_for() const {
  std::vector<HandoutProbe> all;
  for (const auto& [function, probe] : x_asked) {
    const auto same = std::find_if(all.begin(), all.end(), [&](const HandoutProbe& other) {
      return other.function == probe.function;
    });
    if (same == all.end()) {
      all.push_back(probe);
    } else {
      same->armed |= probe.armed;
      if (same->obstacle.empty()) same->obstacle = probe.obstacle;
    }
  }
  return all;
}

}  // namespace unclosed
