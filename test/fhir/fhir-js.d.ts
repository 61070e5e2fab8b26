/** fhir.js types its browser build only; on Node its main takes the address and returns these. */
declare module 'fhir.js' {
  type Ask = (content: object) => Promise<{
    status: number
    // biome-ignore lint/suspicious/noExplicitAny: whatever was answered
    data: any
  }>
  // biome-ignore lint/style/noDefaultExport: that is how it is made
  export default function fhirJs(settings: {
    baseUrl: string
    auth: { bearer: string }
  }): Record<
    | 'conformance'
    | 'create'
    | 'read'
    | 'vread'
    | 'patch'
    | 'delete'
    | 'search'
    | 'nextPage'
    | 'resourceHistory'
    | 'typeHistory'
    | 'transaction',
    Ask
  >
}
