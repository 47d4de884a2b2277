#include "collect/golang/holders.h"

#include <algorithm>
#include <array>
#include <memory>
#include <unordered_map>

#include "base/bytes.h"
#include "collect/golang/free_lists.h"
#include "collect/golang/holder_paths.h"
#include "collect/golang/object_types.h"
#include "collect/golang/pool_layouts.h"
#include "collect/golang/root_places.h"
#include "collect/golang/type_book.h"

namespace unclosed {
namespace {

constexpr uint32_t kScheduler = 500;  // cost of a stack's word that leads to a processor
constexpr uint32_t kThroughPool = 12;  // cost of a way through a pool that lends what it has
constexpr int kAttempts = 4;          // at ways that hold when they are read again
constexpr size_t kMostLevels = 12;    // from a descriptor, whose types are learnt
constexpr size_t kMostNear = 96;      // objects on the way
constexpr size_t kMostCrowd = 24;     // links of one of them
constexpr uint32_t kPoolLevels = 8;   // from a descriptor to what keeps it in a library's pool
constexpr std::array<std::string_view, 2> kFiles = {"net.netFD", "os.file"};

// Parts of maps, as the compiler and the runtime name them.
bool inside_of_map(std::string_view type) {
  for (const std::string_view part : {"map.bucket[", "map.group[", "noalg.map.", "map.hdr[",
                                      "map.table[", "internal/runtime/maps.", "maps.",
                                      "runtime.hmap", "table<", "group<", "bucket<", "hash<"}) {
    if (type.starts_with(part)) return true;
  }
  return false;
}

bool is_pool(const ObjectTypes::Known& known) {
  const auto layouts = pool_layouts();
  return known.type != nullptr && !known.many &&
         std::any_of(layouts.begin(), layouts.end(), [&](const PoolLayout& layout) {
           return known.type->name.starts_with(layout.pool) &&
                  (known.type->name.size() == layout.pool.size() ||
                   known.type->name[layout.pool.size()] == '[');
         });
}

// Whether who can reach the pool has nothing in hand by that: not of connections that several share.
bool lends(const ObjectTypes::Known& known) {
  return is_pool(known) && !known.type->name.starts_with("net/http.");
}

bool keeps_books(const Holder& holder) {
  return std::any_of(holder.chain.begin(), holder.chain.end(), [](const HeldStep& step) {
    const auto lists = bookkeeping();
    return std::any_of(lists.begin(), lists.end(), [&](const Bookkeeping& list) {
      return step.type == list.type && step.field.starts_with(list.field);
    });
  });
}

// A library that knows all of its connections says less than whoever uses one of them.
void prefer_users(Held& held) {
  if (!keeps_books(held.holder)) return;
  const auto user = std::find_if(held.others.begin(), held.others.end(), [](const Holder& other) {
    return other.own && !keeps_books(other);
  });
  if (user != held.others.end()) std::rotate(held.others.begin(), user, user + 1);
  if (user != held.others.end()) std::swap(held.holder, held.others.front());
}

// From the graph of holders to what is told of each descriptor.
class Telling {
 public:
  Telling(GoProcess& process, const GoroutineList& list, const HeapMap& map,
          const HolderGraph& graph, RootPlaces& roots, TypeBook& book)
      : x_process(process),
        x_list(list),
        x_graph(graph),
        x_roots(roots),
        x_map(map),
        x_book(&book) {}

  // `count`: of the first objects, which are the descriptors.
  Status prepare(uint32_t count);
  Status tell(uint32_t descriptor, size_t most_others, Held& held);
  // Ways that hold still, one for each of the descriptors.
  Status settle(size_t count);
  uint64_t changed() const { return x_changed; }
  const HolderPaths& paths() const { return *x_paths; }

 private:
  Status leave_runtime();
  std::optional<HolderPath> choose(uint32_t descriptor);
  bool through_map(const HolderPath& path);
  void learn_along(const HolderPath& path);
  uint64_t alike(uint32_t descriptor);
  Result<std::vector<uint32_t>> places_in_queues();
  Result<std::vector<uint32_t>> check(const std::vector<uint32_t>& objects);
  bool points_at(uint64_t value, uint32_t object) const;
  std::optional<uint64_t> first_word(uint32_t object);
  Holder holder_of(const HolderPath& path);
  std::vector<HeldStep> chain_of(const HolderPath& path);
  void learn_around(uint32_t descriptor, std::vector<uint32_t>& pools);

  GoProcess& x_process;
  const GoroutineList& x_list;
  const HolderGraph& x_graph;
  RootPlaces& x_roots;
  const HeapMap& x_map;
  TypeBook* x_book;
  std::unique_ptr<HolderPaths> x_paths;
  std::unique_ptr<ObjectTypes> x_types;
  std::vector<std::optional<HolderPath>> x_best;
  std::vector<bool> x_reached;  // by a way that held at first
  std::unordered_map<uint32_t, uint64_t> x_alike;  // goroutines, by the root that is told of
  uint64_t x_changed = 0;
};

Status Telling::prepare(uint32_t count) {
  x_paths = std::make_unique<HolderPaths>(x_graph);
  x_types = std::make_unique<ObjectTypes>(x_process, x_map, x_graph, *x_paths, *x_book);
  std::vector<uint32_t> costs;
  std::vector<RootRank> ranks;
  costs.reserve(x_graph.roots().size());
  ranks.reserve(x_graph.roots().size());
  for (const auto& root : x_graph.roots()) {
    const auto cost = x_roots.cost(root.place);
    if (!cost) return cost.error();
    const bool said =
        root.place.kind == RootPlace::Kind::kVariable || !x_types->of_scheduler(root.target);
    costs.push_back(said ? *cost : kScheduler);
    ranks.push_back(said ? root.rank : RootRank());
  }
  x_paths->find(std::move(costs), std::move(ranks));
  std::vector<uint32_t> pools;
  for (uint32_t descriptor = 0; descriptor < count; ++descriptor) learn_around(descriptor, pools);
  x_paths->burden(pools, kThroughPool);
  return leave_runtime();
}

// The runtime's sudogs: a goroutine's place in the queue of what it waits for. Each begins with the
// address of the goroutine.
Result<std::vector<uint32_t>> Telling::places_in_queues() {
  constexpr uint64_t kLeast = 80, kMost = 160;  // bytes of a sudog
  std::vector<uint64_t> goroutines;
  for (const LiveGoroutine& one : x_list.goroutines) goroutines.push_back(one.address);
  std::sort(goroutines.begin(), goroutines.end());
  std::vector<uint32_t> found;
  const auto& objects = x_graph.objects();
  for (uint32_t i = 0; i < objects.size(); ++i) {
    if (objects[i].size >= kLeast && objects[i].size <= kMost) found.push_back(i);
  }
  std::vector<uint64_t> first(found.size());
  std::vector<RemoteMemory::Piece> pieces;
  for (size_t i = 0; i < found.size(); ++i) {
    pieces.push_back({objects[found[i]].address,
                      std::as_writable_bytes(std::span(first).subspan(i, 1))});
  }
  if (const auto read = x_process.memory().read(pieces); !read) return read.error();
  size_t kept = 0;
  for (size_t i = 0; i < found.size(); ++i) {
    if (std::binary_search(goroutines.begin(), goroutines.end(), first[i]))
      found[kept++] = found[i];
  }
  found.resize(kept);
  return found;
}

// Ways through the runtime's own structures say nothing of who has what. Each timer and ticker
// leads to a processor, and a processor to the timers of all, and to what the collector looked at
// last; its timers are reached from the runtime's own list of processors. One who waits for a
// channel leads to all who wait for it.
Status Telling::leave_runtime() {
  auto queues = places_in_queues();
  if (!queues) return queues.error();
  std::vector<uint32_t> processors, lists, lost;
  for (uint32_t i = 0; i < x_graph.objects().size(); ++i) {
    if (x_types->is_processor(i)) processors.push_back(i);
  }
  for (const auto& root : x_graph.roots()) {
    const auto of_runtime = x_roots.of_runtime(root.place);
    if (!of_runtime) return of_runtime.error();
    if (*of_runtime) lists.push_back(root.target);
  }
  std::sort(lists.begin(), lists.end());
  const auto is_in = [](const std::vector<uint32_t>& list, uint32_t one) {
    return std::binary_search(list.begin(), list.end(), one);
  };
  for (uint32_t i = 0; i < x_graph.links().size(); ++i) {
    const auto& link = x_graph.links()[i];
    bool says = !is_in(*queues, link.holder) &&
                (!is_in(processors, link.target) || is_in(lists, link.holder));
    if (says && is_in(processors, link.holder)) {
      const auto field = x_types->field_of(i);
      says = !field || field->path.starts_with("timers");
    }
    if (!says) lost.push_back(i);
  }
  x_paths->drop(lost, {});
  return {};
}

bool Telling::points_at(uint64_t value, uint32_t object) const {
  const auto& at = x_graph.objects()[object];
  return value >= at.address && value - at.address < at.size;
}

// Reads every link of the best ways of these again. Drops those that had changed, and answers whose
// ways they were on.
Result<std::vector<uint32_t>> Telling::check(const std::vector<uint32_t>& objects) {
  std::vector<uint32_t> links, roots;
  for (const uint32_t object : objects) {
    if (!x_best[object]) continue;
    links.insert(links.end(), x_best[object]->links.begin(), x_best[object]->links.end());
    roots.push_back(x_best[object]->root);
  }
  for (auto* list : {&links, &roots}) {
    std::sort(list->begin(), list->end());
    list->erase(std::unique(list->begin(), list->end()), list->end());
  }
  std::vector<uint64_t> values(links.size() + roots.size());
  std::vector<RemoteMemory::Piece> pieces;
  const auto add = [&](uint64_t word) {
    pieces.push_back({word, std::as_writable_bytes(std::span(values).subspan(pieces.size(), 1))});
  };
  for (const uint32_t link : links) add(x_graph.links()[link].word);
  for (const uint32_t root : roots) add(x_graph.roots()[root].place.word);
  const auto read = x_process.memory().read(pieces);
  if (!read) return read.error();
  std::vector<uint32_t> lost_links, lost_roots;
  for (size_t i = 0; i < pieces.size(); ++i) {
    const bool link = i < links.size();
    const uint32_t target =
        link ? x_graph.links()[links[i]].target : x_graph.roots()[roots[i - links.size()]].target;
    bool holds = pieces[i].got && points_at(values[i], target);
    if (!link && holds) {
      const auto still = x_roots.still(x_graph.roots()[roots[i - links.size()]].place);
      if (!still) return still.error();
      holds = *still;
    }
    if (holds) continue;
    if (link)
      lost_links.push_back(links[i]);
    else
      lost_roots.push_back(roots[i - links.size()]);
  }
  std::vector<uint32_t> changed;
  if (lost_links.empty() && lost_roots.empty()) return changed;
  x_changed += lost_links.size() + lost_roots.size();
  x_paths->drop(lost_links, lost_roots);
  // Both lists are in order.
  const auto lost = [](const std::vector<uint32_t>& list, uint32_t one) {
    return std::binary_search(list.begin(), list.end(), one);
  };
  for (const uint32_t object : objects) {
    const auto& way = x_best[object];
    if (way && (lost(lost_roots, way->root) ||
                std::any_of(way->links.begin(), way->links.end(),
                            [&](uint32_t link) { return lost(lost_links, link); })))
      changed.push_back(object);
  }
  return changed;
}

// Whether it leads through what holds many: who reaches that has not this one in hand.
bool Telling::through_map(const HolderPath& path) {
  learn_along(path);
  return std::any_of(path.links.begin(), path.links.end(), [&](uint32_t link) {
    const auto known = x_types->of(x_graph.links()[link].holder);
    return known.type != nullptr && (inside_of_map(known.type->name) ||
                                     known.type->name.starts_with("internal/sync.") ||
                                     known.type->name.starts_with("sync.entry"));
  });
}

// The best way, unless it is one of a goroutine that merely reaches what many do: then the one from
// what keeps it longest.
std::optional<HolderPath> Telling::choose(uint32_t descriptor) {
  auto best = x_paths->to(descriptor);
  if (!best || x_graph.roots()[best->root].place.kind == RootPlace::Kind::kVariable) return best;
  if (!x_paths->alike(descriptor) && !through_map(*best)) return best;
  auto kept = x_paths->kept(descriptor);
  // Who has it in hand says more than who has the pool that lent it.
  return kept && kept->burden <= best->burden ? kept : best;
}

// Goroutines alike of which the one that is told of is the oldest; 1: it stands for itself.
uint64_t Telling::alike(uint32_t descriptor) {
  const HolderPath& path = *x_best[descriptor];
  const uint32_t kind = x_paths->rank(path.root).kind;
  if (kind == RootRank::kNoKind) return 1;
  if (!x_paths->alike(descriptor) && !through_map(path)) return 1;
  const auto [known, fresh] = x_alike.try_emplace(path.root, 0);
  if (fresh) known->second = std::max<uint64_t>(x_paths->reaching(descriptor, kind), 1);
  return known->second;
}

Status Telling::settle(size_t count) {
  std::vector<uint32_t> objects(count);
  for (uint32_t i = 0; i < count; ++i) objects[i] = i;
  x_reached.assign(count, false);
  x_best.assign(count, std::nullopt);
  for (int attempt = 0; attempt < kAttempts && !objects.empty(); ++attempt) {
    for (const uint32_t object : objects) {
      x_best[object] = choose(object);
      if (x_best[object]) x_reached[object] = true;
    }
    auto changed = check(objects);
    if (!changed) return changed.error();
    objects = *std::move(changed);
  }
  // What never stands still is not told as fact.
  for (const uint32_t object : objects) x_best[object].reset();
  return {};
}

std::optional<uint64_t> Telling::first_word(uint32_t object) {
  const auto word = x_process.memory().load<uint64_t>(x_graph.objects()[object].address);
  return word ? *word : std::nullopt;
}

void Telling::learn_along(const HolderPath& path) {
  if (path.links.empty()) return;
  x_types->assume(x_graph.links()[path.links.back()].holder, kFiles);
  for (size_t i = path.links.size(); i-- > 0;) x_types->learn(path.links[i]);
}

std::vector<HeldStep> Telling::chain_of(const HolderPath& path) {
  learn_along(path);
  std::vector<HeldStep> chain;
  bool in_map = false;  // behind a field or variable that is one
  for (size_t i = 0; i < path.links.size(); ++i) {
    const auto& link = x_graph.links()[path.links[i]];
    const auto known = x_types->of(link.holder);
    HeldStep step;
    step.size = x_graph.objects()[link.holder].size;
    const bool last = i + 1 == path.links.size();
    if (known.type != nullptr) {
      step.type = (known.many ? "[]" : "") + known.type->name;
      step.inner =
          known.many || inside_of_map(known.type->name) || known.type->kind == TypeKind::kPointer;
      const auto place = x_types->field_of(path.links[i]);
      const TypeInfo* field = place ? x_book->at(place->type) : nullptr;
      in_map = field != nullptr && field->kind == TypeKind::kMap;
      if (place && !step.inner && !last) step.field = place->path;
    } else if (const auto code = first_word(link.holder)) {
      step.type = x_roots.closure(*code);
      step.inner = in_map && step.type.empty();
    }
    chain.push_back(std::move(step));
  }
  for (size_t i = 0; i + 1 < chain.size(); ++i) {
    if (chain[i].type.empty() && inside_of_map(chain[i + 1].type)) chain[i].inner = true;
  }
  // The runtime's own end of it goes without saying behind a connection that is known.
  if (chain.size() > 1 && !chain[chain.size() - 2].type.empty() && !chain[chain.size() - 2].inner) {
    chain.back().inner = true;
    HeldStep& connection = chain[chain.size() - 2];
    if (connection.type.starts_with("net.")) connection.field.clear();
  }
  return chain;
}

Holder Telling::holder_of(const HolderPath& path) {
  Holder holder = x_roots.holder(x_graph.roots()[path.root].place);
  holder.chain = chain_of(path);
  holder.by_pool = std::any_of(path.links.begin(), path.links.end(), [&](uint32_t link) {
    return lends(x_types->of(x_graph.links()[link].holder));
  });
  if (holder.type.starts_with("map[")) {
    for (HeldStep& step : holder.chain) {
      if (!step.type.empty()) break;
      step.inner = true;
    }
  }
  const RootPlace& place = x_graph.roots()[path.root].place;
  const auto known =
      place.kind == RootPlace::Kind::kVariable ? x_types->static_at(place.word) : std::nullopt;
  if (known) {
    HeldStep step{known->type->name, known->type->size, "", false};
    const auto field = x_book->place_at(*known->type, place.word - known->start);
    if (field) step.field = field->path;
    holder.chain.insert(holder.chain.begin(), std::move(step));
  }
  return holder;
}

// Learns types upwards from the descriptor, also beside the way that will be told of: one object's
// type tells that of the next. Adds pools that lend to `pools`.
void Telling::learn_around(uint32_t descriptor, std::vector<uint32_t>& pools) {
  std::vector<std::pair<uint32_t, uint32_t>> near = {{descriptor, 0}};  // object and level
  std::vector<uint32_t> seen = {descriptor};
  for (size_t i = 0; i < near.size() && near.size() < kMostNear; ++i) {
    const auto [object, level] = near[i];
    const auto links = x_paths->into(object);
    if (level >= kMostLevels || links.size() > kMostCrowd) continue;
    for (const uint32_t link : links) {
      const uint32_t holder = x_graph.links()[link].holder;
      if (level == 0) x_types->assume(holder, kFiles);
      x_types->learn(link);
      const auto known = x_types->of(holder);
      if (lends(known)) pools.push_back(holder);
      // Beyond a pool are the others of its connections.
      if (is_pool(known) || std::find(seen.begin(), seen.end(), holder) != seen.end()) continue;
      seen.push_back(holder);
      near.emplace_back(holder, level + 1);
    }
  }
}

Status Telling::tell(uint32_t descriptor, size_t most_others, Held& held) {
  if (x_best[descriptor]) {
    held.holder = holder_of(*x_best[descriptor]);
    held.holder.alike = alike(descriptor);
    const uint32_t kind = x_paths->rank(x_best[descriptor]->root).kind;
    for (const HolderPath& path : x_paths->others(descriptor, *x_best[descriptor], most_others)) {
      if (held.holder.alike > 1 && x_paths->rank(path.root).kind == kind) continue;
      Holder other = holder_of(path);
      if (other.kind != HolderKind::kRuntime) held.others.push_back(std::move(other));
    }
    prefer_users(held);
    return {};
  }
  if (x_paths->into(descriptor).empty()) {
    held.why = "no object of the heap has it: it is not open any more, or memory changed meanwhile";
  } else if (x_graph.complete() && !x_reached[descriptor]) {
    held.holder.kind = HolderKind::kGarbage;
    held.holder.certainty = HolderCertainty::kLikely;
    held.why = "nothing that runs and no variable leads to it: the next collection frees it";
  } else {
    held.why = "what leads to it was not followed to its end, or changed meanwhile";
  }
  return {};
}

}  // namespace

Result<HeldReport> holders_of(GoProcess& process, const GoroutineList& list,
                              std::span<const int> fds, HolderNames& names,
                              const HolderSettings& settings) {
  auto polled = poll_descriptors(process);
  if (!polled) return polled.error();
  std::vector<int> wanted(fds.begin(), fds.end());
  const std::vector<PollDescriptor> open = *polled;
  std::sort(wanted.begin(), wanted.end());
  wanted.erase(std::unique(wanted.begin(), wanted.end()), wanted.end());
  std::erase_if(*polled, [&](const PollDescriptor& one) {
    return !std::binary_search(wanted.begin(), wanted.end(), one.fd);
  });
  const auto map = HeapMap::read(process);
  if (!map) return map.error();
  TypeBook book(process);
  FreeLists pools(process, *map, book, open,
                  [&](std::string_view module) { return names.release_of(module); });
  RootPlaces roots(process, list, names);
  const auto rank = [&](const RootPlace& place) -> std::optional<RootRank> {
    if (roots.use(place) == RootPlaces::Use::kUnused) return std::nullopt;
    const auto known = roots.rank(place);
    return known ? *known : RootRank();
  };
  HolderSettings search = settings;
  if (pools.any()) search.least_levels = std::max(search.least_levels, kPoolLevels);
  HolderGraph graph(process, *map, list, rank, search);
  auto done = graph.build(*polled);
  if (!done) return done.error();
  Telling telling(process, list, *map, graph, roots, book);
  done = telling.prepare(static_cast<uint32_t>(polled->size()));
  if (done) done = telling.settle(polled->size());
  if (!done) return done.error();
  pools.read(graph, telling.paths(), static_cast<uint32_t>(polled->size()),
             search.between_moments);
  HeldReport report;
  uint32_t next = 0;
  for (const int fd : wanted) {
    Held& held = report.held.emplace_back();
    held.fd = fd;
    if (next < polled->size() && (*polled)[next].fd == fd) {
      pools.tell(held.fd, held);
      done = telling.tell(next++, settings.most_others, held);
      if (!done) return done.error();
    } else {
      held.why =
          "the runtime's poller does not have it: it is not open, or used without the poller";
    }
  }
  report.objects = graph.objects().size();
  report.bytes_read = graph.bytes_read();
  report.passes = graph.passes();
  report.left_out = graph.left_out();
  report.complete = graph.complete();
  report.changed = telling.changed();
  const auto still = process.still_there();
  if (!still) return still.error();
  return report;
}

}  // namespace unclosed
