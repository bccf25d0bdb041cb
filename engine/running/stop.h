/* The wish to stop: signals that ask a run to end early. */
#ifndef TK_ENGINE_STOP_H
#define TK_ENGINE_STOP_H

/* From now on SIGTERM, SIGUSR1 and SIGINT ask politely; another one two seconds or more after the first ends this
 * process at once with exit code 75, which loses nothing that the journal has. */
void tk_stop_listen(void);

/* The name of the signal that has come, or NULL. From any thread. */
const char *tk_stop_signal(void);

#endif
