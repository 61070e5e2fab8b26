import * as z from 'zod'

/**
 * What a message may hold, as JSON Schema 2020-12: what zod reads, without the checks that only code can make. Where a
 * schema speaks of itself, it points into its own `$defs`.
 */
export function bodySchema(schema: z.ZodType): object {
  return z.toJSONSchema(schema, {
    io: 'input',
    unrepresentable: 'any',
    override({ zodSchema, jsonSchema }) {
      // A number whose digits were kept is a number to who sends it; what only code knows stands for nothing else.
      if (zodSchema._zod.def.type === 'custom') Object.assign(jsonSchema, { type: 'number' })
    },
  })
}
