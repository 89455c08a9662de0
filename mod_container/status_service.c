#include "mod_container/status_service.h"
int status_page_service(request_rec *r, const char *target){(void)r;(void)target;return HTTP_NOT_FOUND;}
