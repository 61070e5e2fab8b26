/** What an endpoint of the authorization server knows of a request beside its form. */
export interface RequestInfo {
  requestId: string
  network?: string
  /** The `DPoP` header. */
  proof?: string
}
