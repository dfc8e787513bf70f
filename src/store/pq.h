/* libpq, loaded at run time. */
#ifndef STORE_PQ_H
#define STORE_PQ_H

#include <libpq-fe.h>

#include "base/err.h"

#define PQ_FUNCTIONS(X)                                                                                                \
    X(connectdbParams) X(finish) X(status) X(errorMessage) X(socket) X(exec) X(clear) X(resultStatus) X(resultErrorField) \
    X(ntuples) X(getvalue) X(getlength) X(getisnull) X(cmdTuples) X(cmdStatus) X(enterPipelineMode) X(pipelineSync)     \
    X(sendQueryParams) X(sendPrepare) X(sendQueryPrepared) X(getResult) X(consumeInput) X(notifies) X(freemem)          \
    X(setNoticeProcessor) X(parameterStatus) X(conninfoParse) X(conninfoFree) X(execParams) X(flush) X(libVersion)

struct pq {
#define X(f) __typeof__(&PQ##f) f;
    PQ_FUNCTIONS(X)
#undef X
};
/* NULL with the reason in err where libpq is not installed or too old (14: pipelines). Loaded once. */
const struct pq *pq_load(struct phi_err *err);

#endif
