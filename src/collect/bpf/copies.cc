#include "collect/bpf/copies.h"

#include <algorithm>
#include <utility>

#include "collect/bpf/convert.h"

namespace unclosed {

void add_copy(const KernelSide& kernel, KeptStacks& stacks, const uc_record& record,
              const Descriptor& place, Seen& seen) {
  const bool unseen = (record.flags & UC_UNTRACED) != 0;
  if (!unseen && (record.flags & UC_COPIED) == 0) return;
  const auto copy = kernel.copy(static_cast<uint32_t>(place.process.pid),
                                static_cast<uint32_t>(place.fd));
  // What came from a process that is no target has its record from the first scan that met it.
  const bool before_it = unseen && copy && copy->generation == 0 &&
                         copy->made.at <= record.generation;
  if (!copy || (copy->generation != record.generation && !before_it)) return;
  stacks.keep(copy->made.stack);
  Use made = use_of(copy->made);
  made.stack = stacks.settled(made.stack);
  const auto how = copy->how == UC_COPY_RECEIVED ? CopyHow::kReceived : CopyHow::kDuplicated;
  seen.copies.push_back({place, made, how});
}

void tell_by_copies(Seen& seen) {
  ConnectionFacts& facts = seen.facts;
  if (seen.copies.empty() || seen.copies.size() < seen.descriptors.size() || facts.before_attach) {
    return;
  }
  // A connection is known by its use; what was handed to another process is that one's.
  const bool told = !is_socket(facts.kind) ||
                    std::all_of(seen.copies.begin(), seen.copies.end(), [](const Copy& copy) {
                      return copy.how == CopyHow::kReceived;
                    });
  if (!told) return;
  const Copy& first =
      *std::min_element(seen.copies.begin(), seen.copies.end(),
                        [](const Copy& a, const Copy& b) { return a.made.at < b.made.at; });
  facts.copied_from = std::exchange(facts.opened, first.made);
  facts.opener = first.place.process;
}

}  // namespace unclosed
