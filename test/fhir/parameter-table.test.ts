import { expect, it } from 'vitest'
import { searchParameters } from '#store/search-parameters.ts'

const head = `# Search parameters by type

Made from the code: \`npx vitest run --project node test/fhir/parameter-table.test.ts -u\` writes it anew. How they are asked
stands in [fhir-api.md](fhir-api.md#search), why some are asked with a patient or in candidates only in
[threat-model.md](threat-model.md). Every type also takes \`_id\` and \`_lastUpdated\`, and in candidates \`_tag\`, \`_security\` and
\`_profile\`. The kind is told where it is not a token: (r)eference, (d)ate, (s)tring, (u)ri, (q)uantity, (c)omposite.

| type | by itself | within one patient | in candidates that another parameter names |
|---|---|---|---|
`

it('the table of search parameters is what the server takes', async () => {
  const rows = Object.entries(searchParameters).map(([type, parameters]) => {
    const names = (fits: (each: (typeof parameters)[number]) => boolean) =>
      parameters
        .filter(fits)
        .map(({ name, kind }) => (kind === 'token' ? name : `${name} (${kind.charAt(0)})`))
        .join(', ')
    const cells = [
      names(({ perPatient, opened }) => !perPatient && !opened),
      names(({ perPatient }) => perPatient === true),
      names(({ opened }) => opened === true),
    ]
    return `| ${type} | ${cells.join(' | ')} |`
  })
  await expect(`${head}${rows.sort().join('\n')}\n`).toMatchFileSnapshot('../../docs/search-parameters.md')
})
