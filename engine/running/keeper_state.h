/* What the keeper's two halves share: its thread (keeper_thread.c) and the calls of the rank's other threads
 * (keeper.c). */
#ifndef TK_ENGINE_KEEPER_STATE_H
#define TK_ENGINE_KEEPER_STATE_H

#include <pthread.h>

#include "engine/running/keeper.h"
#include "engine/running/status.h"

typedef enum tk_note_kind {
    TK_NOTE_BEAT,   /* a sign of life, and where the rank is */
    TK_NOTE_ANSWER, /* rank 0 lives too */
    TK_NOTE_STOP,   /* no further tile; the text says why, "" = a rank has failed */
    TK_NOTE_FAILED, /* this rank has failed */
    TK_NOTE_CLAIM,  /* the next place of the list, please; answered with TK_NOTE_PLACE */
    TK_NOTE_PLACE,
    TK_NOTE_BYE /* the rank's last note, and the answer to it */
} tk_note_kind;

/* The place that stands for: no other. */
static const int64_t TK_NO_PLACE = INT64_MAX / 2;

/* What keepers send each other. The text is only sent with STOP and FAILED. */
typedef struct tk_note {
    int64_t kind, stage, tile, tiles_done, next;
    int64_t solving; /* tile: iterations that are done */
    double tile_seconds, expected, longest, work;
    int64_t status;
    char host[64];
    char text[512];
} tk_note;

/* What rank 0 knows of a rank. */
typedef struct tk_place {
    double heard;
    tk_note last;
    bool gone; /* it has said goodbye */
} tk_place;

struct tk_keeper {
    tk_comm *comm;
    tk_keeper_request request;
    tk_keeper_about about; /* rank 0 */
    pthread_t thread;
    pthread_mutex_t files; /* of status.json; taken before `lock` */
    pthread_mutex_t lock;  /* of everything below */
    double begun;
    tk_note mine;
    double tile_begun; /* 0: in no tile */
    int round;
    int64_t tiles;                   /* of the sweep, or iterations of the solve */
    int64_t solved;                  /* iterations that are done */
    double work_before, sweep_begun; /* rank 0; sweep_begun: of the first sweep */
    bool stopping, told, ending, over;
    char reason[256];     /* "" = no early stop */
    double hard_deadline; /* 0: none */
    double failed_at;     /* rank 0: when a rank's error came; 0: none */
    tk_note failure;
    int64_t next; /* rank 0: the list of claims */
    bool serves;
    tk_place *rank; /* rank 0 */
    int left;       /* rank 0: ranks that have not said goodbye */
    double heard_zero;
    double beat_at, look_at, looked_at;
    double stop_at, status_at, lock_at; /* when the thread next looks for `stop`, writes, beats the lock */
    const char *state;
    char message[512];
};

static inline bool tk_keeper_is_zero(const tk_keeper *keeper) { return tk_comm_rank(keeper->comm) == 0; }

/* Sends a note; what does not go soon is left to go when it can. With or without the lock. */
void tk_keeper_post(tk_keeper *keeper, int to, tk_comm_channel channel, const tk_note *note);

/* --- Called with the lock held --- */

/* Tells all other ranks that no further tile is to be begun, and why. On rank 0. */
void tk_keeper_tell_all(tk_keeper *keeper);

/* Where the run is, summed over ranks. On rank 0. */
void tk_keeper_sum_up(const tk_keeper *keeper, tk_status_now *now);

/* Writes status.json. On rank 0, and without the lock. */
void tk_keeper_write_status(tk_keeper *keeper);

/* The thread; `user` is the keeper. */
void *tk_keeper_thread(void *user);

#endif
