// Where this node is in the purge log that several nodes share, and what a place in that log is in the numbers of the
// node's own purge_log. A fill of this node is stored in memcached with the position that position_of gives; what comes
// from there is judged as if it had been filled here at fill_number_of its position.
//
// In what follows a purge p is called at some moment at some node. A fill that began (noted its fill_number, and only
// then asked an endpoint) after that call sees what p was about; one that began before is what p is to hit. At a node,
// p takes local numbers: one where it was called, and those of its record's lines where a record brings it. p gets its
// number g in the shared log when a head counts it.
//
// Claim: once a node has applied p, no response whose fill began before the call of p is judged alive there, whichever
// node filled it and wherever it lies.
//  1. In the memory of the node that filled it, with fill_number f. p's local numbers there are taken after the call of
//     p, so after f was noted, so they are above f: judge() compares.
//  2. In memcached, stored by a node A at position N. position_of gives N only if for every record up to N either
//     a) all its local numbers at A are at most f, so p is not among these records, by 1; or
//     b) the record was counted by the head that A read when it joined this epoch, and f was noted after that. Counted
//        means written, and written means called, so p is not among these either.
//     So N < g, or p has no number yet.
//  3. Read from there by a node B with the local number L = fill_number_of(N). L is below every local number that
//     B has given, or will give, to a record above N, and to a purge of its own whose number is above N or not known
//     yet:
//     - what has its local number already is known here: note_own comes before a purge of B's own shows in now(), and
//       begin comes before the first line of a record does; L is put below all of these;
//     - what gets it later gets one above now(), and L is at most what now() was when L was asked for.
//     So p's local number at B is above L, and judge() compares, however long the response is on its way in between and
//     whether it enters B's memory before p reaches B or after.
//  4. Records that are lost. What N is below a lost record, or of another epoch, gets no L: it counts as a miss. What
//  is
//     in the memory already is doubted (purge_log::doubt), for which 1 and 3 hold likewise: lose() and join() come
//     before the doubt, so an L that was given before them is below the number of the doubt. A fill that gets a
//     position behind the loss began after the head that shows the loss had been read.
//  5. Nodes that change to another epoch one after the other: a position in the new one is given only to fills that
//     began when it existed, so after the old head was gone. A purge that was in the old log was called before that.
//     One that was not is published in the new log, and has no number until then.
//
// Given up, each time by judging too hard or by a miss, never the other way:
//  - one record is applied line by line, and one of our own stands for all that waited: its lowest number is what a
//    response is held against, its highest what a fill has to be behind;
//  - a purge of our own that is not published yet (memcached is away, say) has all that comes from memcached judged by
//    everything since, and what is filled here after it and stored there before it is published, by it;
//  - a record that this node appended twice, since an answer was lost, is applied as if another had written it;
//  - positions older than the last max_entries records, or than what could be read back when the node came, are not
//    known: a miss;
//  - until all that the log had when the node came is applied, all that comes from memcached is a miss.
// Not covered: a purge that waits in a node which dies is lost to the others, and a node that cannot reach the log does
// not hear of purges until it can.
#pragma once

#include <cstdint>
#include <deque>
#include <mutex>
#include <optional>

#include "cache/purge_position.hpp"

namespace weir::cache {

// Any thread; those that tell of records come from one, in the order of the log. `now`: what purge_log::now() gave,
// asked before the call.
class purge_positions {
  public:
    static constexpr std::size_t max_entries = 65'536;

    // The greatest position that a fill with this number is behind. Nothing: it is not known, and the response is not
    // for memcached.
    std::optional<purge_position> position_of(std::uint64_t fill_number) const;
    // With what fill_number a response from memcached is judged. Nothing: nobody can tell what hit it, a miss.
    std::optional<std::uint64_t> fill_number_of(const purge_position& at, std::uint64_t now) const;

    // A log with this epoch, whose head was `head` before now() was asked, and of which the records above `oldest` are
    // there to be applied. What was before is doubted by the caller, after this.
    void join(std::uint64_t epoch, std::uint64_t oldest, std::uint64_t head, std::uint64_t now);
    // The record after applied() is about to be applied; and has been.
    void begin(std::uint64_t now);
    void end(std::uint64_t now);
    // If the record after applied() is known to be of our own, it counts as applied.
    bool pass_own();
    // Records up to this number, which the head counted before now() was asked, are lost. If this says so, the caller
    // doubts what is stored, after this; else all of them were there before this node was.
    [[nodiscard]] bool lose(std::uint64_t number, std::uint64_t now);

    // A purge of our own with this number will be published. Called before the number shows in now().
    void note_own(std::uint64_t local);
    // All those up to `local` were, as the record `number`, above applied().
    void published(std::uint64_t number, std::uint64_t local);

    // Of the log that was joined last; 0 before that.
    std::uint64_t epoch() const;
    std::uint64_t applied() const;  // the number of its last record that was
    bool is_in_step() const;        // all that it had when it was joined

  private:
    struct entry {            // of a record
        std::uint64_t first;  // the lowest local number of this one and those after it
        std::uint64_t last;   // the highest of this one and those before it
    };
    struct own_record {
        std::uint64_t number;
        std::uint64_t first;
        std::uint64_t last;
    };

    void append(std::uint64_t first, std::uint64_t last);

    mutable std::mutex mutex_;
    std::uint64_t epoch_ = 0;
    std::uint64_t joined_at_ = 0;     // the head then
    std::uint64_t joined_local_ = 0;  // fills with this number or a higher one began after that head was read
    // Positions from this one on are known; it is that of fills from this local number on.
    std::uint64_t oldest_ = 0;
    std::uint64_t oldest_local_ = 0;
    std::deque<entry> entries_;   // of oldest_ + 1 to applied
    std::uint64_t applying_ = 0;  // the lowest local number of the record that is being applied; 0: none is
    std::deque<own_record> own_;  // published, and above what is applied; in order
    // Own ones that are not published: all at or above first_waiting_, 0 where there are none; noted up to last_noted_.
    std::uint64_t first_waiting_ = 0;
    std::uint64_t last_noted_ = 0;
};

// Without a shared log: positions of this process alone, which are its own numbers. Of what others stored it is known
// that it was there before this node's purges or may have been.
class lone_purge_positions {
  public:
    // `node`: no two processes the same.
    explicit lone_purge_positions(std::uint64_t node) : node_(node) {}

    purge_position position_of(std::uint64_t fill_number) const { return {node_, fill_number}; }
    std::uint64_t fill_number_of(const purge_position& at) const { return at.epoch == node_ ? at.number : 0; }

  private:
    const std::uint64_t node_;
};

}  // namespace weir::cache
